// Package slackfake stands in for Slack's Web API, as far as the channel slack uses
// it: messages, their edits and deletion, files, and the history of a channel. It
// keeps to what Slack documents: its limits, its errors, the two ways to give
// arguments, what an update leaves as it was.
//
// It does not split a long post, as Slack does, and it takes a channel's name for
// another channel than its id.
package slackfake

import (
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/outgate/outgate/handlers/internal/fakes"
	"github.com/outgate/outgate/ratelimit"
)

// Config says what the fake knows at first.
type Config struct {
	// Token is the one that is let in; empty lets in every one.
	Token string
	// Rooms are the channels there are; none stands for any.
	Rooms []string
	// Limits are the first ones.
	Limits Limits
	// SharesAtOnce has files.completeUploadExternal answer with the ts of the message
	// it made. Slack mostly has not made it by then.
	SharesAtOnce bool
	// SharesAfter is how often files.info is asked before it answers with that ts; a
	// negative number is for ever.
	SharesAfter int
}

// Limits are requests per time. One that is nil is as Slack documents it, one that is
// empty is none.
type Limits struct {
	// Post is for each channel: 1/1s.
	Post []ratelimit.Limit
	// Update, Delete and History are for all channels: 50/60s, each by itself.
	Update, Delete, History []ratelimit.Limit
	// Files is for each of the two methods of an upload: 20/60s.
	Files []ratelimit.Limit
	// Info is for files.info: 100/60s.
	Info []ratelimit.Limit
}

// Unlimited is no limit at all.
var Unlimited = Limits{
	Post:    []ratelimit.Limit{},
	Update:  []ratelimit.Limit{},
	Delete:  []ratelimit.Limit{},
	History: []ratelimit.Limit{},
	Files:   []ratelimit.Limit{},
	Info:    []ratelimit.Limit{},
}

// Fake is an http.Handler that answers as Slack does. Its methods may be called from
// many goroutines.
type Fake struct {
	fakes.Base

	sharesAtOnce bool
	sharesAfter  int

	mu      sync.Mutex
	token   string
	revoked []string
	rooms   []string
	closed  map[string]string
	limits  Limits
	extras  map[string]extra
	files   map[string]*file
}

// New makes a Fake.
func New(cfg Config) *Fake {
	f := &Fake{
		sharesAtOnce: cfg.SharesAtOnce,
		sharesAfter:  cfg.SharesAfter,
		token:        cfg.Token,
		rooms:        slices.Clone(cfg.Rooms),
		closed:       make(map[string]string),
		extras:       make(map[string]extra),
		files:        make(map[string]*file),
	}
	f.Limit(cfg.Limits)
	return f
}

// Limit changes the limits.
func (f *Fake) Limit(l Limits) {
	or := func(l []ratelimit.Limit, otherwise string) []ratelimit.Limit {
		if l == nil {
			return ratelimit.Must(otherwise)
		}
		return l
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.limits = Limits{
		Post:    or(l.Post, "1/1s"),
		Update:  or(l.Update, "50/60s"),
		Delete:  or(l.Delete, "50/60s"),
		History: or(l.History, "50/60s"),
		Files:   or(l.Files, "20/60s"),
		Info:    or(l.Info, "100/60s"),
	}
}

// SetToken changes the token that is let in. The one before counts as revoked.
func (f *Fake) SetToken(token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.token != "" {
		f.revoked = append(f.revoked, f.token)
	}
	f.token = token
	f.revoked = slices.DeleteFunc(f.revoked, func(t string) bool { return t == token })
}

// Refuse has every change of a channel refused with a code, "is_archived" for
// instance; an empty one ends that.
func (f *Fake) Refuse(room, code string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed[room] = code
}

// call is one call of a method.
type call struct {
	fake *Fake
	r    *http.Request
	args args
	// room is true once the call has changed a room.
	room bool
}

// reply is what a method answers beside ok and error.
type reply map[string]any

// methods answer a reply, or the code of an error.
var methods = map[string]func(*call) (reply, string){
	"auth.test":                    (*call).test,
	"chat.postMessage":             (*call).post,
	"chat.update":                  (*call).update,
	"chat.delete":                  (*call).delete,
	"conversations.history":        (*call).history,
	"conversations.replies":        (*call).replies,
	"files.getUploadURLExternal":   (*call).getUploadURL,
	"files.completeUploadExternal": (*call).completeUpload,
	"files.info":                   (*call).info,
}

// ServeHTTP answers a request.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.Count(func(c *fakes.Counts) { c.Requests++ })
	if ticket, ok := strings.CutPrefix(r.URL.Path, uploadPath); ok {
		f.upload(w, r, ticket)
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, "/api/")
	if !ok {
		f.Count(func(c *fakes.Counts) { c.Refused++ })
		http.NotFound(w, r)
		return
	}
	method := methods[name]
	if method == nil {
		f.refuse(w, "unknown_method", nil)
		return
	}
	a, code := readArgs(r)
	if code == "" {
		code = f.authorize(r, a)
	}
	if code != "" {
		f.refuse(w, code, nil)
		return
	}
	if wait, ok := f.take(name, a); !ok {
		f.Count(func(c *fakes.Counts) { c.Throttled++ })
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		write(w, http.StatusTooManyRequests, reply{"ok": false, "error": "ratelimited"})
		return
	}
	c := &call{fake: f, r: r, args: a}
	answer, code := method(c)
	switch {
	case code != "":
		f.refuse(w, code, answer)
	case c.room && f.Lost(w):
	default:
		answer["ok"] = true
		write(w, http.StatusOK, answer)
	}
}

// authorize is the code for a token that is not let in.
func (f *Fake) authorize(r *http.Request, a args) string {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok && !a.json { // JSON does not carry it
		token = a.text("token")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case token == "":
		return "not_authed"
	case slices.Contains(f.revoked, token):
		return "token_revoked"
	case f.token != "" && token != f.token:
		return "invalid_auth"
	}
	return ""
}

// take asks for a place within the limits of a method.
func (f *Fake) take(method string, a args) (time.Duration, bool) {
	f.mu.Lock()
	key, limits := method, []ratelimit.Limit(nil)
	switch method {
	case "chat.postMessage":
		key, limits = method+" "+a.text("channel"), f.limits.Post
	case "chat.update":
		limits = f.limits.Update
	case "chat.delete":
		limits = f.limits.Delete
	case "conversations.history", "conversations.replies":
		limits = f.limits.History
	case "files.getUploadURLExternal", "files.completeUploadExternal":
		limits = f.limits.Files
	case "files.info":
		limits = f.limits.Info
	}
	f.mu.Unlock()
	if len(limits) == 0 {
		return 0, true
	}
	windows := make([]fakes.Limit, len(limits))
	for i, l := range limits {
		windows[i] = fakes.Limit{N: l.N, Window: l.Window}
	}
	return f.Take(key, windows)
}

// writable is the code for a channel that cannot be written to.
func (f *Fake) writable(room string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if room == "" || len(f.rooms) > 0 && !slices.Contains(f.rooms, room) {
		return "channel_not_found"
	}
	return f.closed[room]
}

// refuse answers an error the way Slack does.
func (f *Fake) refuse(w http.ResponseWriter, code string, more reply) {
	f.Count(func(c *fakes.Counts) { c.Refused++ })
	answer := reply{"ok": false, "error": code}
	maps.Copy(answer, more)
	write(w, http.StatusOK, answer)
}

func write(w http.ResponseWriter, status int, answer reply) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

func (c *call) test() (reply, string) {
	return reply{"url": "https://fake.slack.com/", "team": "Fake", "user": "outgate", "team_id": "T0FAKE", "user_id": userID, "bot_id": botID}, ""
}
