package classify_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/outgate/outgate/classify"
)

func FuzzClassify(f *testing.F) {
	f.Add("webhook", 429, "", "slow down", 0, int64(30), "", "", "")
	f.Add("webhook", 503, "busy", "", 2, int64(-1), "room", "", "EOF")
	f.Add("other", 500, "", "oops\x00", 2, int64(1<<62), "", "", "")
	f.Add("telegram", 0, "", "", 1, int64(0), "planet", "panic", "boom")
	f.Add("", 200, "", "", 0, int64(0), "bridge", "bad_hair_day", "unexpected EOF")
	f.Fuzz(func(t *testing.T, channel string, status int, code, message string, sent int, after int64, scope, reason, cause string) {
		e := &classify.Error{
			Channel: channel, Op: "post", Sent: classify.Sent(sent), Reason: classify.Reason(reason),
			Reply: classify.Reply{
				Status: status, Code: code, Message: message,
				RetryAfter: time.Duration(after), Scope: classify.Scope(scope),
			},
		}
		if channel == "webhook" {
			e.Table = receivers
		}
		if cause != "" {
			e.Err = errors.New(cause)
		}
		v := classify.Classify(e)
		if v != classify.Classify(e) {
			t.Error("the same error has two verdicts")
		}
		if !v.Reason.Known() {
			t.Errorf("reason %q", v.Reason)
		}
		if v.Category != classify.Retryable && v.Category != classify.Terminal && v.Category != classify.Fatal {
			t.Errorf("category %q", v.Category)
		}
		if v.After < 0 || v.After > classify.MaxRetryAfter || v.After > 0 && !v.Retryable() {
			t.Errorf("%s after %s", v.Category, v.After)
		}
		waits := v.After > 0 || v.Retryable() && v.Reason == classify.ReasonRateLimited
		switch v.Scope {
		case "", classify.ScopeBridge, classify.ScopeRoute, classify.ScopeRoom, classify.ScopeRoomRoute:
		default:
			t.Errorf("scope %q", v.Scope)
		}
		if v.Scope == "" && v.After > 0 || v.Scope != "" && !waits {
			t.Errorf("scope %q with a delay of %s", v.Scope, v.After)
		}
		silent := (status < 300 || status > 599) && code == "" && !e.Reason.Known()
		if silent && e.Sent == classify.SentUnknown && !v.Ambiguous {
			t.Error("no answer, and yet no doubt")
		}
		if e.Sent == classify.SentNo && v.Ambiguous != (reason == "ambiguous" || reason == "invalid_reply") {
			t.Errorf("never sent, and ambiguous is %t", v.Ambiguous)
		}
		checkClean(t, v.Provider.Message)
		checkClean(t, v.Provider.Code)
	})
}

func FuzzParseRetryAfter(f *testing.F) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, s := range []string{"30", "1.5", "-1", "99999999999999999999", "Fri, 02 Jan 2026 03:05:05 GMT", "Jan  2 03:05:05 2026", "0.0000000001", "soon"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		d, ok := classify.ParseRetryAfter(header, now)
		if d < 0 || d > classify.MaxRetryAfter || !ok && d != 0 {
			t.Fatalf("%q: %s, %t", header, d, ok)
		}
		// Whatever strconv takes for a plain number must not come out shorter.
		s, err := strconv.ParseFloat(header, 64)
		if err != nil || strings.ContainsAny(header, "eExXpPnN_") {
			return
		}
		if !ok {
			t.Fatalf("%q is a number", header)
		}
		if want := min(s, classify.MaxRetryAfter.Seconds()); d.Seconds() < want-1e-9*want {
			t.Fatalf("%q: %s is too short", header, d)
		}
	})
}

func FuzzClean(f *testing.F) {
	f.Add("plain", "text")
	f.Add("https://a?", "\x00\xff\u2028")
	f.Add(strings.Repeat("é", 500), "@bot1:")
	f.Fuzz(func(t *testing.T, before, after string) {
		got := classify.Clean(before)
		checkClean(t, got)
		if again := classify.Clean(got); again != got {
			t.Errorf("cleaned twice:\n%q\n%q", got, again)
		}
		const secret = "s3cr3tS3CR3Ts3cr3tS3CR3Ts3cr3tS3CR3T"
		if strings.Contains(before+after, secret[:6]) {
			return
		}
		for _, form := range []string{
			"https://u:" + secret + "@h/", "https://h/p?k=" + secret, "Bearer " + secret,
			"bot12:" + secret, "1234567:" + secret, "xoxb-" + secret, "whsec_" + secret,
		} {
			text := classify.Clean(before + " " + form + " " + after)
			checkClean(t, text)
			if strings.Contains(text, secret[:6]) {
				t.Errorf("%q leaks", text)
			}
		}
	})
}

func checkClean(t *testing.T, s string) {
	t.Helper()
	if len(s) > classify.MaxMessage || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		t.Errorf("not clean: %q", s)
	}
}
