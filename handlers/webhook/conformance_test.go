package webhook_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/channeltest"
	"github.com/outgate/outgate/handlers/webhook"
	"github.com/outgate/outgate/tasks"
)

func TestConformance(t *testing.T) {
	refusal := func(status int, c classify.Category, r classify.Reason) channeltest.Refusal {
		return channeltest.Refusal{Status: status, Want: classify.Verdict{Category: c, Reason: r}}
	}
	told := func(status int, header string, r classify.Reason, after time.Duration) channeltest.Refusal {
		return channeltest.Refusal{
			Status: status, Header: map[string]string{"Retry-After": header},
			Want: classify.Verdict{Category: classify.Retryable, Reason: r, After: after, Scope: classify.ScopeBridge},
		}
	}
	channeltest.Run(t, channeltest.Harness{
		New: func(url string) (channeltest.Channel, error) {
			return webhook.New(webhook.Config{
				URL:          strings.Replace(url, "://", "://user:pa55:w%2Frd@", 1) + "/in/path%2Ft0ken/x?token=query%20t0ken&a;b=semic0lon",
				Secret:       "whsec_c2lnbmluZyBrZXk= raw-signing-key",
				AllowPrivate: true,
				Now:          func() time.Time { return now },
			})
		},
		Provider: func(testing.TB, string) channeltest.Provider {
			r := &rooms{posts: make(map[string][]channeltest.Message), known: make(map[string]string)}
			return channeltest.Provider{Handler: r, Messages: r.messages}
		},
		NoCredential: true, // a receiver has no harmless request
		Secrets: []string{
			"pa55:w/rd", "pa55:w%2Frd", "dXNlcjpwYTU1OncvcmQ=", "path%2Ft0ken", "path/t0ken",
			"query%20t0ken", "query t0ken", "semic0lon",
			"whsec_c2lnbmluZyBrZXk=", "c2lnbmluZyBrZXk=", "signing key", "raw-signing-key",
		},
		Refusals: map[string]channeltest.Refusal{
			"400 is refused for good":               refusal(400, classify.Terminal, classify.ReasonRejected),
			"401 is the bridge's":                   refusal(401, classify.Fatal, classify.ReasonUnauthorized),
			"403 is the bridge's":                   refusal(403, classify.Fatal, classify.ReasonForbidden),
			"404 is refused for good":               refusal(404, classify.Terminal, classify.ReasonNotFound),
			"410 disables the endpoint":             refusal(410, classify.Fatal, classify.ReasonGone),
			"413 is too long":                       refusal(413, classify.Terminal, classify.ReasonMessageTooLong),
			"422 is refused for good":               refusal(422, classify.Terminal, classify.ReasonRejected),
			"429 is tried again":                    refusal(429, classify.Retryable, classify.ReasonRateLimited),
			"500 is tried again":                    refusal(500, classify.Retryable, classify.ReasonProviderError),
			"502 is tried again":                    refusal(502, classify.Retryable, classify.ReasonUnavailable),
			"503 is tried again":                    refusal(503, classify.Retryable, classify.ReasonUnavailable),
			"504 is tried again":                    refusal(504, classify.Retryable, classify.ReasonUnavailable),
			"302 is not followed":                   refusal(302, classify.Terminal, classify.ReasonRedirected),
			"429 waits as long as it was told":      told(429, "30", classify.ReasonRateLimited, 30*time.Second),
			"503 waits until it was told":           told(503, "Fri, 02 Jan 2026 03:05:05 GMT", classify.ReasonUnavailable, time.Date(2026, 1, 2, 3, 5, 5, 0, time.UTC).Sub(now)),
			"500 waits as long as it was told, too": told(500, "1", classify.ReasonProviderError, time.Second),
		},
	})
}

// rooms is a receiver as one should be: it shows what it is sent, and drops a
// webhook-id that it knows.
type rooms struct {
	mu    sync.Mutex
	posts map[string][]channeltest.Message
	// known are the ids of the messages, by webhook-id.
	known map[string]string
}

func (r *rooms) messages(room string) []channeltest.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.posts[room])
}

func (r *rooms) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var body struct {
		Data struct {
			Room  string       `json:"external_room_id"`
			ID    string       `json:"external_message_id"`
			Text  string       `json:"text"`
			Media *tasks.Media `json:"media"`
			Opts  tasks.Opts   `json:"opts"`
		} `json:"data"`
	}
	if json.NewDecoder(req.Body).Decode(&body) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	d := body.Data
	m := channeltest.Message{ID: d.ID}
	if d.Media != nil {
		data, _ := base64.StdEncoding.DecodeString(d.Media.Data)
		d.Text, m.Size = d.Media.Caption, int64(len(data))
		if m.Media = d.Media.URL; m.Media == "" {
			m.Media = d.Media.Filename
		}
	}
	m.Text, m.Strong = channeltest.Reading(d.Text, d.Opts.Format)
	r.mu.Lock()
	defer r.mu.Unlock()
	token := req.Header.Get("Webhook-Id")
	if id, again := r.known[token]; again {
		m.ID = id
	} else if m.ID == "" {
		m.ID = fmt.Sprint("m", len(r.known))
		r.posts[d.Room] = append(r.posts[d.Room], m)
	} else if i := slices.IndexFunc(r.posts[d.Room], func(old channeltest.Message) bool { return old.ID == m.ID }); i >= 0 {
		r.posts[d.Room][i] = m
	} else {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	r.known[token] = m.ID
	_ = json.NewEncoder(w).Encode(map[string]string{"message_id": m.ID})
}
