package discordfake_test

import (
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outgate/outgate/handlers/discord/discordfake"
)

func TestBucketsFillAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := discordfake.New(discordfake.Config{})
		send := func() answer { return do(f, nil, "POST", "42/messages", `{"content":"x"}`) }
		for i := range 5 {
			got := send()
			if got.status != 200 {
				t.Fatalf("got %d %s", got.status, got.body)
			}
			want := map[string]string{
				"X-Ratelimit-Limit": "5", "X-Ratelimit-Remaining": strconv.Itoa(4 - i), "X-Ratelimit-Reset-After": fmt.Sprintf("%.3f", 5-float64(i)),
				"X-Ratelimit-Reset": "946684805.000",
			}
			for k, v := range want {
				if got.header.Get(k) != v {
					t.Errorf("%d: %s is %q, want %q", i, k, got.header.Get(k), v)
				}
			}
			<-time.After(time.Second)
			if i == 4 {
				break
			}
		}
		// Five seconds after the first the bucket is full.
		for range 5 {
			if got := send(); got.status != 200 {
				t.Fatalf("got %d %s", got.status, got.body)
			}
		}
		got := send()
		if got.status != 429 || got.body != `{"message":"You are being rate limited.","retry_after":5,"global":false}` || got.header.Get("Retry-After") != "5" {
			t.Errorf("got %d %s %v", got.status, got.body, got.header)
		}
		// Edits have a bucket of their own, and so has another channel.
		id := f.Messages("42")[0].ID
		if got := do(f, nil, "PATCH", "42/messages/"+id, `{"content":"y"}`); got.status != 200 || got.header.Get("X-Ratelimit-Remaining") != "4" {
			t.Errorf("an edit: got %d %v", got.status, got.header)
		}
		f.Limit(discordfake.Limits{Send: discordfake.Limit{N: 1, Window: time.Second}})
		if got := do(f, nil, "POST", "43/messages", `{"content":"x"}`); got.status != 200 || got.header.Get("X-Ratelimit-Limit") != "1" {
			t.Errorf("a new limit: got %d %v", got.status, got.header)
		}
	})
}

func TestTheBotHasOneLimitForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := discordfake.New(discordfake.Config{})
		for i := range 50 {
			if got := do(f, nil, "POST", strconv.Itoa(i)+"/messages", `{"content":"x"}`); got.status != 200 {
				t.Fatalf("%d: got %d %s", i, got.status, got.body)
			}
		}
		got := do(f, nil, "GET", "1000/messages", "")
		if got.status != 429 || got.body != `{"message":"You are being rate limited.","retry_after":1,"global":true}` ||
			got.header.Get("X-Ratelimit-Global") != "true" || got.header.Get("X-Ratelimit-Scope") != "global" || got.header.Get("Retry-After") != "1" {
			t.Errorf("got %d %s %v", got.status, got.body, got.header)
		}
		<-time.After(time.Second)
		if got := do(f, nil, "GET", "1000/messages", ""); got.status != 200 {
			t.Errorf("a second later: got %d", got.status)
		}
	})
}

func TestANonceIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := discordfake.New(discordfake.Config{Limits: discordfake.Unlimited, NonceWindow: time.Minute})
		send := func(want int) {
			t.Helper()
			do(f, nil, "POST", "42/messages", `{"content":"x","nonce":"n","enforce_nonce":true}`)
			if got := len(f.Messages("42")); got != want {
				t.Errorf("there are %d messages, want %d", got, want)
			}
		}
		send(1)
		<-time.After(time.Minute)
		send(1)
		<-time.After(time.Millisecond)
		send(2)
		<-time.After(time.Minute)
		send(2)
	})
}
