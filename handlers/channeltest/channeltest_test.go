package channeltest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/channeltest"
	"github.com/outgate/outgate/tasks"
)

const secret = "s3cret/t0ken"

// faults are what can be wrong with a naive channel.
type faults struct {
	deaf      bool // does not pass its context on
	followers bool // follows redirects
	greedy    bool // reads all there is
	leaky     bool // puts the URL into errors
	forgetful bool // does not close replies
	guessing  bool // takes every failure for one before sending
	gullible  bool // takes every reply for a delivery
	fickle    bool // makes a new token each time
	boastful  bool // declares an operation it lacks
	modest    bool // does not declare an operation it has
	anonymous bool // has no type, no idempotency, operations of its own
	broken    bool // fails always, and with an error of its own
	unfit     bool // has results that are no JSON
	idle      bool // delivers without asking
	repeating bool // asks again where it must not
}

// naive is a channel as one might write it first.
type naive struct {
	faults
	url       string
	transport http.Transport
	mu        sync.Mutex
	n         int
}

func (c *naive) Type() string {
	if c.anonymous {
		return ""
	}
	return "naive"
}

func (c *naive) Capabilities() tasks.Capabilities {
	caps := tasks.Capabilities{Idempotency: tasks.Native, Operations: []tasks.Operation{tasks.Send, tasks.Edit}}
	switch {
	case c.anonymous:
		return tasks.Capabilities{Operations: []tasks.Operation{tasks.Send, tasks.Send, "shout"}, Idempotency: "maybe"}
	case c.boastful:
		caps.Operations = append(caps.Operations, tasks.SendMedia)
	case c.modest:
		caps.Operations = []tasks.Operation{tasks.Send}
	}
	return caps
}

func (c *naive) Close() { c.transport.CloseIdleConnections() }

func (c *naive) Edit(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.Send(ctx, m)
}

func (c *naive) fail(sent classify.Sent, reply classify.Reply, err error) error {
	if c.guessing {
		sent = classify.SentNo
	}
	if !c.leaky {
		reply.Message = strings.ReplaceAll(reply.Message, secret, "")
		if err != nil && strings.Contains(err.Error(), secret) {
			end := errors.Join(is(err, context.Canceled), is(err, context.DeadlineExceeded))
			err = errors.Join(errors.New("failed"), end)
		}
	}
	return &classify.Error{Channel: c.Type(), Op: "send", Sent: sent, Reply: reply, Err: err}
}

func is(err, target error) error {
	if errors.Is(err, target) {
		return target
	}
	return nil
}

func (c *naive) token(m tasks.Message) string {
	if !c.fickle {
		return m.Token
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return fmt.Sprint(c.n)
}

func (c *naive) Send(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	switch {
	case c.broken:
		return tasks.Delivery{}, errors.New("no idea")
	case c.idle:
		return tasks.Delivery{MessageID: "1"}, nil
	case c.deaf:
		ctx = context.Background()
	}
	req, _ := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/"+secret, strings.NewReader("{}"))
	req.Header.Set("Token", c.token(m))
	client := http.Client{Transport: &c.transport}
	if !c.followers {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	if ctx.Err() != nil {
		return tasks.Delivery{}, c.fail(classify.SentNo, classify.Reply{}, ctx.Err())
	}
	resp, err := client.Do(req)
	if c.repeating && err != nil {
		again := req.Clone(ctx)
		again.Body, _ = req.GetBody()
		resp, err = client.Do(again)
	}
	if err != nil {
		sent := classify.SentUnknown
		if strings.Contains(err.Error(), "refused") {
			sent = classify.SentNo
		}
		return tasks.Delivery{}, c.fail(sent, classify.Reply{}, err)
	}
	if !c.forgetful {
		defer func() { _ = resp.Body.Close() }()
	}
	var text []byte
	if !c.forgetful {
		text, _ = io.ReadAll(io.LimitReader(resp.Body, 256<<10))
	}
	if c.greedy {
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	if resp.StatusCode >= 300 && !c.gullible {
		return tasks.Delivery{}, c.fail(classify.SentRefused, classify.Reply{Status: resp.StatusCode, Message: string(bytes.TrimSpace(text[:min(len(text), 2000)]))}, nil)
	}
	if c.unfit {
		return tasks.Delivery{Result: map[string]any{"x": func() {}}}, nil
	}
	return tasks.Delivery{MessageID: "1"}, nil
}

func harness(f faults) channeltest.Harness {
	h := channeltest.Harness{
		New:     func(baseURL string) (channeltest.Channel, error) { return &naive{faults: f, url: baseURL}, nil },
		Accept:  func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode("yes") },
		Secrets: []string{secret},
		Token:   func(r *http.Request, _ []byte) string { return r.Header.Get("Token") },
		Refusals: map[string]channeltest.Refusal{
			"404 is no such room": {
				Operation: tasks.Edit, Status: http.StatusNotFound, Header: map[string]string{"X-A": "b"}, Body: "no",
				Want: classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonNotFound},
			},
			"403 is no way in": {
				Status: http.StatusForbidden,
				Want:   classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonForbidden},
			},
		},
	}
	if f.deaf || f.forgetful {
		h.Grace = 200 * time.Millisecond // it is waited for in vain
	}
	return h
}

// recorder is a testing.TB that keeps failures to itself.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func (r *recorder) Helper() {}

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Error(args ...any) { r.Errorf("%s", fmt.Sprint(args...)) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// failing runs the suite and returns the names of the checks that fail.
func failing(t *testing.T, h channeltest.Harness) []string {
	var names []string
	channeltest.Check(h, func(name string, run func(testing.TB)) {
		r := &recorder{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() {
				for _, f := range slices.Backward(r.cleanups) {
					f()
				}
			}()
			run(r)
		}()
		<-done
		if len(r.failures) > 0 {
			t.Logf("%s:\n\t%s", name, strings.Join(r.failures, "\n\t"))
			names = append(names, name)
		}
	})
	return names
}

func TestSuiteFindsWhatIsWrong(t *testing.T) {
	const (
		declares = "has exactly the operations it declares"
		delivers = "delivers by each operation"
		parallel = "may be used concurrently"
		ended    = "sends nothing once its context has ended"
		ending   = "returns when its context ends"
		bounded  = "reads a bounded part of an endless reply"
		survives = "survives any reply"
		secrecy  = "has no secret in its errors"
		reuse    = "uses its connection again"
		redirect = "follows no redirect"
		sent     = "knows what was not sent from what may have been"
		verdicts = "gives the documented errors their verdicts"
		token    = "has a token that stays with its message"
	)
	cases := map[string]struct {
		faults faults
		want   []string
	}{
		"nothing":                                  {faults{}, nil},
		"it does not pass its context on":          {faults{deaf: true}, []string{ended, ending}},
		"it follows redirects":                     {faults{followers: true}, []string{redirect}},
		"it reads all there is":                    {faults{greedy: true}, []string{bounded}},
		"it puts the URL into errors":              {faults{leaky: true}, []string{secrecy}},
		"it does not close replies":                {faults{forgetful: true}, []string{bounded, reuse}},
		"it takes every failure for an unsent one": {faults{guessing: true}, []string{ending, sent}},
		"it takes every reply for a delivery":      {faults{gullible: true}, []string{survives, secrecy, reuse, redirect, verdicts}},
		"it makes a new token each time":           {faults{fickle: true}, []string{token}},
		"it declares an operation it lacks":        {faults{boastful: true}, []string{declares}},
		"it does not declare an operation it has":  {faults{modest: true}, []string{declares}},
		"it has neither type nor idempotency":      {faults{anonymous: true}, []string{declares}},
		"its results are no JSON":                  {faults{unfit: true}, []string{delivers}},
		"it repeats what may have been taken":      {faults{repeating: true}, []string{sent}},
		"it fails always, with errors of its own":  {faults{broken: true}, []string{delivers, parallel, ended, ending, bounded, survives, reuse, redirect, sent, verdicts, token}},
		"it delivers without asking the provider":  {faults{idle: true}, []string{delivers, ended, ending, bounded, survives, secrecy, reuse, redirect, sent, verdicts, token}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := failing(t, harness(c.faults))
			if !slices.Equal(got, c.want) {
				t.Errorf("the suite finds  %q\nand should find %q", got, c.want)
			}
		})
	}
}

func TestSuiteFindsAnEmptyHarness(t *testing.T) {
	h := harness(faults{})
	h.Secrets, h.Token, h.Refusals = nil, nil, nil
	if got := failing(t, h); len(got) != 3 {
		t.Errorf("only %q miss something", got)
	}
	h = harness(faults{})
	h.Refusals = map[string]channeltest.Refusal{"of what it lacks": {Operation: tasks.EditMedia, Status: 400}}
	if got := failing(t, h); len(got) != 1 {
		t.Errorf("%q fail, want one", got)
	}
	h.New = func(string) (channeltest.Channel, error) { return nil, errors.New("no") }
	if got := failing(t, h); len(got) != 13 {
		t.Errorf("%d checks fail without a channel, want all", len(got))
	}
}

func TestRun(t *testing.T) {
	channeltest.Run(t, harness(faults{}))
}
