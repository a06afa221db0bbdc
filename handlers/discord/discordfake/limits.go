package discordfake

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/outgate/outgate/handlers/internal/fakes"
)

// Limit is N requests in a window; a negative N is no limit.
type Limit = fakes.Limit

// Limits are how many requests a bot may make. A zero Limit is the default. Only
// that of all requests is documented; the others are what bots see.
type Limits struct {
	// Global is for all requests together: 50 in a second.
	Global Limit
	// The others are for each channel: Send and Edit 5 in five seconds, Delete and
	// Read 5 in one.
	Send, Edit, Delete, Read Limit
}

var defaults = Limits{
	Global: Limit{N: 50, Window: time.Second},
	Send:   Limit{N: 5, Window: 5 * time.Second},
	Edit:   Limit{N: 5, Window: 5 * time.Second},
	Delete: Limit{N: 5, Window: time.Second},
	Read:   Limit{N: 5, Window: time.Second},
}

// Unlimited are no limits at all.
var Unlimited = Limits{Global: Limit{N: -1}, Send: Limit{N: -1}, Edit: Limit{N: -1}, Delete: Limit{N: -1}, Read: Limit{N: -1}}

// Limit changes the limits; buckets that are in use keep theirs until they are
// full again.
func (f *Fake) Limit(l Limits) {
	for given, standard := range map[*Limit]Limit{
		&l.Global: defaults.Global, &l.Send: defaults.Send, &l.Edit: defaults.Edit,
		&l.Delete: defaults.Delete, &l.Read: defaults.Read,
	} {
		if *given == (Limit{}) {
			*given = standard
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.limits = l
}

type bucketKey struct{ method, channel string }

// bucket is what a route has left in a channel until it is full again.
type bucket struct {
	limit, remaining int
	reset            time.Time
}

// routes are the routes by their method: the limit, and the name of the bucket.
var routes = map[string]struct {
	limit func(*Limits) Limit
	name  string
}{
	http.MethodPost:   {func(l *Limits) Limit { return l.Send }, "80c17d2f203122d936070c88c8d10f33"},
	http.MethodPatch:  {func(l *Limits) Limit { return l.Edit }, "c8dcb1fd2cf6b3d0a52f3e1d0f2d1a5c"},
	http.MethodDelete: {func(l *Limits) Limit { return l.Delete }, "aa1eca48e6da6f31f5b3ee9aa9d2b7c1"},
	http.MethodGet:    {func(l *Limits) Limit { return l.Read }, "42e8dae1f8c34dc4e9cb9e0ff6d93d0b"},
}

// counted takes a place in the bucket of the request, and tells of it in the header.
// It refuses the request where the bucket is empty.
func (c *call) counted() bool {
	route := routes[c.r.Method]
	c.mu.Lock()
	limit := route.limit(&c.limits)
	if limit.N < 0 {
		c.mu.Unlock()
		return true
	}
	key, now := bucketKey{c.r.Method, c.channel}, time.Now()
	b := c.buckets[key]
	if b == nil || !now.Before(b.reset) {
		b = &bucket{limit: limit.N, remaining: limit.N, reset: now.Add(limit.Window)}
		c.buckets[key] = b
	}
	ok := b.remaining > 0
	if ok {
		b.remaining--
	}
	left := *b
	c.mu.Unlock()

	wait := left.reset.Sub(now)
	h := c.w.Header()
	h.Set("X-RateLimit-Limit", strconv.Itoa(left.limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(left.remaining))
	h.Set("X-RateLimit-Reset", fmt.Sprintf("%.3f", float64(left.reset.UnixMilli())/1000))
	h.Set("X-RateLimit-Reset-After", millis(wait).String())
	h.Set("X-RateLimit-Bucket", route.name)
	if !ok {
		c.throttle(wait, "user")
	}
	return ok
}

// seconds is a number of seconds with three decimals, in JSON too.
type seconds float64

// millis rounds up to milliseconds: whoever waits as long comes in time.
func millis(d time.Duration) seconds {
	return seconds(math.Ceil(float64(d)/float64(time.Millisecond)) / 1000)
}

func (s seconds) String() string { return strconv.FormatFloat(float64(s), 'f', 3, 64) }

// throttle answers that there are too many requests.
func (c *call) throttle(wait time.Duration, scope string) {
	c.Count(func(n *fakes.Counts) { n.Throttled++ })
	h := c.w.Header()
	h.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	h.Set("X-RateLimit-Scope", scope)
	c.drain()
	c.answer(http.StatusTooManyRequests, struct {
		Message    string  `json:"message"`
		RetryAfter seconds `json:"retry_after"`
		Global     bool    `json:"global"`
	}{"You are being rate limited.", millis(wait), scope == "global"})
}
