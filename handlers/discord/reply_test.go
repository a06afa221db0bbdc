package discord_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/discord"
	"github.com/outgate/outgate/tasks"
)

func TestReplyToANewMessage(t *testing.T) {
	url, _ := recorder(t, 200, golden(t, "message.json"))
	got, err := channel(t, url).Send(t.Context(), message(tasks.Send))
	if err != nil {
		t.Fatal(err)
	}
	want := tasks.Delivery{
		MessageID: "1456491215048245269",
		Result:    map[string]any{"channel_id": "42", "timestamp": "2026-01-02T03:04:05.678000+00:00"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// wrong are bodies of a 2xx that tell no id.
var wrong = map[string]string{
	"nothing":          ``,
	"a page":           `<html>`,
	"no id":            `{"content":"hello"}`,
	"an empty id":      `{"id":""}`,
	"an id of no text": `{"id":{}}`,
	"a list":           `[{"id":"1"}]`,
	"half a message":   `{"id":"1","content":"hel`,
}

func TestNewMessageWithoutAnIDIsInDoubt(t *testing.T) {
	for name, body := range wrong {
		url, _ := recorder(t, 200, body)
		_, err := channel(t, url).Send(t.Context(), message(tasks.Send))
		e, ok := errors.AsType[*classify.Error](err)
		if !ok || e.Reason != classify.ReasonInvalidReply || e.Sent != classify.SentUnknown || e.Status != 200 || !classify.Classify(err).Ambiguous {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestFieldOfAnOddTypeLeavesNoDoubt(t *testing.T) {
	for name, body := range map[string]string{
		"a time that is a number":      `{"id":"1","timestamp":1767323045678}`,
		"attachments that are no list": `{"id":"1","attachments":{}}`,
		"a size with a fraction":       `{"attachments":[{"id":"2","size":1.5}],"id":"1"}`,
	} {
		url, _ := recorder(t, 200, body)
		d, err := channel(t, url).Send(t.Context(), message(tasks.Send))
		if err != nil || d.MessageID != "1" {
			t.Errorf("%s: got %+v, %v", name, d, err)
		}
	}
}

func TestAnEditIsSettledByItsStatus(t *testing.T) {
	for name, body := range wrong {
		url, _ := recorder(t, 200, body)
		d, err := channel(t, url).Edit(t.Context(), message(tasks.Edit))
		if err != nil || d.MessageID != "17" {
			t.Errorf("%s: got %+v, %v", name, d, err)
		}
	}
}

func TestReplyThatIsCutShort(t *testing.T) {
	cut := func(body string) string {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)+9))
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(srv.Close)
		return srv.URL
	}
	_, err := channel(t, cut(`{"id":"1"`)).Send(t.Context(), message(tasks.Send))
	if !errors.Is(err, io.ErrUnexpectedEOF) || classify.Classify(err).Reason != classify.ReasonInvalidReply {
		t.Errorf("half a message: got %v", err)
	}
	d, err := channel(t, cut(`{"id":"1"}`)).Send(t.Context(), message(tasks.Send))
	if err != nil || d.MessageID != "1" {
		t.Errorf("a whole message: got %+v, %v", d, err)
	}
}

func TestFaultTellsWhereTheFormIsWrong(t *testing.T) {
	cases := map[string]struct{ body, code, message string }{
		"a text":                  {`{"message":"Missing Access","code":50001}`, "50001", "Missing Access"},
		"a general error":         {`{"message":"401: Unauthorized","code":0}`, "", "401: Unauthorized"},
		"a code of text":          {`{"message":"m","code":"50001"}`, "50001", "m"},
		"a code that is none":     {`{"message":"m","code":"x"}`, "", "m"},
		"a message that is none":  {`{"message":7,"code":1}`, "1", ""},
		"a field":                 {`{"message":"M","code":50035,"errors":{"content":{"_errors":[{"code":"C","message":"T"}]}}}`, "50035", "M: content: C: T"},
		"the form itself":         {`{"message":"M","code":50035,"errors":{"_errors":[{"code":"C","message":"T"}]}}`, "50035", "M: C: T"},
		"fields within fields":    {`{"message":"M","errors":{"b":{"1":{"x":{"_errors":[{"code":"C","message":"T"},{"code":"D","message":"U"}]}}},"a":{"_errors":[{"code":"A","message":"S"}]}}}`, "", "M: a: A: S; b.1.x: C: T; b.1.x: D: U"},
		"errors that are none":    {`{"message":"M","errors":{"a":7,"b":{"_errors":8}}}`, "", "M"},
		"more faults than matter": {`{"message":"M","errors":{"_errors":[` + strings.Repeat(`{"code":"C"},`, 9) + `{}]}}`, "", "M: C: ; C: ; C: ; C: ; C:"},
		"faults too deep":         {`{"message":"M","errors":` + strings.Repeat(`{"a":`, 9) + `{"_errors":[{}]}` + strings.Repeat(`}`, 9) + `}`, "", "M"},
		"no JSON":                 {"gateway gone", "", "gateway gone"},
		"a page":                  {"<html>" + strings.Repeat("x", 1000), "", "<html>" + strings.Repeat("x", 194)},
		"null":                    {"null", "", "null"},
	}
	for name, c := range cases {
		code, message, isJSON := discord.ReadFault([]byte(c.body))
		if code != c.code || message != c.message || isJSON != strings.HasPrefix(c.body, "{") {
			t.Errorf("%s: got %q, %q, %v", name, code, message, isJSON)
		}
	}
}

func TestPauseOfAReply(t *testing.T) {
	cases := map[string]struct {
		remaining, after string
		want             time.Duration
	}{
		"a bucket with something left": {"1", "5", 0},
		"an empty bucket":              {"0", "4.9981", 4999 * time.Millisecond},
		"an empty bucket of no time":   {"0", "", 0},
		"an empty bucket of no number": {"0", "soon", 0},
		"no bucket":                    {"", "5", 0},
		"a bucket of the past":         {"0", "-1", 0},
	}
	for name, c := range cases {
		for _, op := range []tasks.Operation{tasks.Send, tasks.Edit} {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-RateLimit-Remaining", c.remaining)
				w.Header().Set("X-RateLimit-Reset-After", c.after)
				_, _ = io.WriteString(w, `{"id":"1"}`)
			}))
			d, err := method(channel(t, srv.URL), op)(t.Context(), message(op))
			srv.Close()
			if err != nil || d.Pause != c.want {
				t.Errorf("%s: %s: got %s, %v", name, op, d.Pause, err)
			}
		}
	}
}

func TestDelayOfABody(t *testing.T) {
	for number, want := range map[string]time.Duration{
		"1336.57": 1336570 * time.Millisecond,
		"0.5291":  530 * time.Millisecond,
		"65":      65 * time.Second,
		`"4.2"`:   4200 * time.Millisecond,
		"1.5e1":   15 * time.Second,
		"2E-3":    2 * time.Millisecond,
		"1e99":    24 * time.Hour,
		"1e999":   0,
		"-3":      0,
		`"NaN"`:   0,
		`"soon"`:  0,
		"null":    0,
		"[1]":     0,
	} {
		url, _ := recorder(t, 429, `{"message":"You are being rate limited.","retry_after":`+number+`,"global":false}`)
		_, err := channel(t, url).Send(t.Context(), message(tasks.Send))
		if v := classify.Classify(err); v.After != want || v.Reason != classify.ReasonRateLimited || v.Scope != classify.ScopeRoomRoute {
			t.Errorf("%s: got %+v, want to wait %s", number, v, want)
		}
	}
}

func TestTheTokenIsNotInTheErrorOfAnEcho(t *testing.T) {
	url, _ := recorder(t, 400, `{"message":"who is `+token+`?","code":50035,"errors":{"x":{"_errors":[{"code":"`+token+`"}]}}}`)
	_, err := channel(t, url).Send(t.Context(), message(tasks.Send))
	if err == nil || strings.Contains(err.Error(), token) || !strings.Contains(err.Error(), "who is [redacted]?") {
		t.Errorf("got %v", err)
	}
}

func FuzzFault(f *testing.F) {
	for _, s := range []string{``, `{}`, `{"code":1e9}`, `{"errors":{"_errors":[{}]}}`, `{"retry_after":-1,"global":1}`, `[`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		code, _, isJSON := discord.ReadFault(body)
		if code == "0" || code != "" && !isJSON {
			t.Errorf("the code is %q, of JSON %v", code, isJSON)
		}
	})
}
