package matrix_test

import (
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/internal/fakes"
	"github.com/outgate/outgate/handlers/matrix"
	"github.com/outgate/outgate/handlers/matrix/matrixfake"
	"github.com/outgate/outgate/tasks"
)

func TestMediaAreUploadedAndShownAndReplaced(t *testing.T) {
	fake, ch := homeserver(t, matrixfake.Config{Limits: unlimited})
	m := message(tasks.SendMedia)
	m.Content.Filename = "a cat & more.png"
	d := must(t, ch, m)
	uri, _ := d.Result["content_uri"].(string)
	got, ok := fake.Upload(uri)
	want := matrixfake.Upload{Filename: "a cat & more.png", MediaType: "image/png", Size: 3, SHA256: sha256.Sum256([]byte("PNG"))}
	if !ok || got != want {
		t.Errorf("uploaded %+v, want %+v", got, want)
	}
	wantMessages(t, fake, roomID, fakes.Message{ID: d.MessageID, Text: "a cat", Token: m.Token, Media: "a cat & more.png", Bytes: 3})

	edit := message(tasks.EditMedia)
	edit.Token, edit.ExternalMessageID = "007-00000000000000ee", d.MessageID
	edit.Media, edit.Content = &tasks.Media{Kind: tasks.File}, content("a dog")
	edit.Content.Filename = "dog.txt"
	if again := must(t, ch, edit); again.MessageID != d.MessageID {
		t.Errorf("the edit made the message %s, and was to leave it %s", again.MessageID, d.MessageID)
	}
	wantMessages(t, fake, roomID, fakes.Message{ID: d.MessageID, Token: m.Token, Media: "dog.txt", Bytes: 5, Edits: 1})
}

func TestEmptyMediaOfUnknownTypeAreUploaded(t *testing.T) {
	fake, ch := homeserver(t, matrixfake.Config{Limits: unlimited})
	m := message(tasks.SendMedia)
	m.Content = content("")
	m.Content.MediaType = ""
	d := must(t, ch, m)
	got, _ := fake.Upload(d.Result["content_uri"].(string))
	if got.MediaType != "application/octet-stream" || got.Size != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestMediaThatAreTooLargeAreNotUploaded(t *testing.T) {
	fake, ch := homeserver(t, matrixfake.Config{Limits: matrixfake.Limits{Burst: -1, UploadBytes: 4}})
	m := message(tasks.SendMedia)
	m.Content = content("12345")
	for range 2 { // the limit is asked for once
		_, err := ch.SendMedia(t.Context(), m)
		if e, ok := errors.AsType[*classify.Error](err); !ok || e.Reason != classify.ReasonMediaRejected || e.Sent != classify.SentNo {
			t.Errorf("got %v", err)
		}
	}
	if c := fake.Counts(); c.Requests != 1 {
		t.Errorf("got %+v, want one request", c)
	}
	// The limit that we know may be an old one.
	fake.Limit(matrixfake.Limits{Burst: -1, UploadBytes: 2})
	_, err := ch.SendMedia(t.Context(), message(tasks.SendMedia))
	v := classify.Classify(err)
	if v.Reason != classify.ReasonMediaRejected || v.Provider.Status != http.StatusRequestEntityTooLarge || v.Ambiguous {
		t.Errorf("got %+v: %v", v, err)
	}
}

func TestMediaWithoutContentAreRefused(t *testing.T) {
	fake, ch := homeserver(t, matrixfake.Config{})
	m := message(tasks.EditMedia)
	m.Content = nil
	_, err := ch.EditMedia(t.Context(), m)
	if e, ok := errors.AsType[*classify.Error](err); !ok || e.Reason != classify.ReasonMediaRejected || e.Sent != classify.SentNo {
		t.Errorf("got %v", err)
	}
	if c := fake.Counts(); c.Requests != 0 {
		t.Errorf("got %+v", c)
	}
}

func TestFailedUploadLeavesNothingInTheRoomAndNoDoubt(t *testing.T) {
	hangUp := func(w http.ResponseWriter, _ *http.Request) {
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = c.Close()
		}
	}
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	cases := map[string]struct {
		config, upload http.HandlerFunc
		want           classify.Reason
	}{
		"the reply is lost":                 {accept, hangUp, classify.ReasonConnectionLost},
		"the reply is not understood":       {accept, answer(200, `{"uri":7}`), classify.ReasonProviderError},
		"the homeserver fails":              {accept, answer(500, `{"errcode":"M_UNKNOWN"}`), classify.ReasonProviderError},
		"its configuration is out of reach": {hangUp, answer(500, ``), classify.ReasonProviderError},
		"its configuration is unknown":      {answer(404, `{"errcode":"M_UNRECOGNIZED"}`), answer(413, ``), classify.ReasonMediaRejected},
		"its configuration is nonsense":     {answer(200, `{"m.upload.size":"big"}`), answer(413, ``), classify.ReasonMediaRejected},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				switch {
				case strings.HasSuffix(r.URL.Path, "/config"):
					c.config(w, r)
				case strings.HasSuffix(r.URL.Path, "/upload"):
					c.upload(w, r)
				default:
					t.Errorf("%s %s", r.Method, r.URL.Path)
				}
			}))
			defer srv.Close()
			ch := channel(t, matrix.Config{Token: "t", BaseURL: srv.URL})
			for _, op := range []tasks.Operation{tasks.SendMedia, tasks.EditMedia} {
				_, err := deliver(t.Context(), ch, message(op))
				if v := classify.Classify(err); v.Reason != c.want || v.Ambiguous {
					t.Errorf("%s: got %+v, want %s: %v", op, v, c.want, err)
				}
			}
		})
	}
}
