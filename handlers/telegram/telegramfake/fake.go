// Package telegramfake stands in for Telegram's Bot API in tests and in
// "outgate dev --fake": an http.Handler that keeps messages, enforces the documented
// limits, and refuses in Telegram's words.
//
// It knows getMe, sendMessage, sendPhoto, sendVideo, sendAudio, sendDocument,
// editMessageText, editMessageCaption, editMessageMedia and deleteMessage. Any number
// but 0 is a chat, and so is any "@name"; Refuse and Upgrade make others of them. It
// parses parse_mode HTML and no other, takes any http(s) URL for media without
// fetching it, and knows no file ids and no albums. A message is kept as it was
// sent, with its markup.
package telegramfake

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/outgate/outgate/handlers/internal/fakes"
)

type (
	// Limit is N messages in any window.
	Limit = fakes.Limit
	// Message is what stands in a room, of this fake and of the others.
	Message = fakes.Message
	// Counts is what became of the requests.
	Counts = fakes.Counts
)

// Limits are how many messages are taken. A zero Limit is Telegram's own, and one
// with a negative N is none.
type Limits struct {
	// Bot counts all messages, 30 a second; Chat those of each chat, one a second;
	// Group those of each group and channel besides, 20 a minute.
	Bot, Chat, Group Limit
}

// Unlimited takes as many messages as come.
var Unlimited = Limits{Bot: Limit{N: -1}, Chat: Limit{N: -1}, Group: Limit{N: -1}}

// Config says what the fake takes.
type Config struct {
	// Token is the bot's; empty takes any.
	Token  string
	Limits Limits
}

// Fake is a Bot API server. It is safe for concurrent use.
type Fake struct {
	fakes.Base

	mu      sync.Mutex
	token   string
	limits  Limits
	refused map[string]*fault
	// names are the ids of the chats with a name, and ids their names.
	names map[string]int64
	ids   map[string]string
	// kinds are the kinds of media, by room and message.
	kinds map[[2]string]string
}

// New makes a Fake.
func New(cfg Config) *Fake {
	f := &Fake{
		token:   cfg.Token,
		refused: make(map[string]*fault),
		names:   make(map[string]int64),
		ids:     make(map[string]string),
		kinds:   make(map[[2]string]string),
	}
	f.Limit(cfg.Limits)
	return f
}

// SetToken changes the token: the old one is revoked. Empty takes any.
func (f *Fake) SetToken(token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.token = token
}

// Limit changes the limits.
func (f *Fake) Limit(l Limits) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.limits = Limits{
		Bot:   cmp.Or(l.Bot, Limit{N: 30, Window: time.Second}),
		Chat:  cmp.Or(l.Chat, Limit{N: 1, Window: time.Second}),
		Group: cmp.Or(l.Group, Limit{N: 20, Window: time.Minute}),
	}
}

// Refuse answers every request to a room with an error, 403 and "Forbidden: bot was
// blocked by the user" for instance. Code 0 takes the room back to what it was.
func (f *Fake) Refuse(room string, code int, description string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.refused, room)
	if code != 0 {
		f.refused[room] = &fault{code: code, text: description}
	}
}

// Upgrade makes a group a supergroup with a new id: the old one takes no more.
func (f *Fake) Upgrade(room string, to int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused[room] = &fault{code: http.StatusBadRequest, text: "Bad Request: group chat was upgraded to a supergroup chat", migrate: to}
}

// ServeHTTP answers one request.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.Count(func(c *fakes.Counts) { c.Requests++ })
	result, err := f.answer(w, r)
	if err != nil {
		f.Count(func(c *fakes.Counts) {
			if err.retryAfter > 0 {
				c.Throttled++
			} else {
				c.Refused++
			}
		})
		err.write(w)
		return
	}
	if _, read := result.(user); !read && f.Lost(w) {
		return
	}
	write(w, http.StatusOK, map[string]any{"ok": true, "result": result})
}

// answer is the result of a request, or why it is refused.
func (f *Fake) answer(w http.ResponseWriter, r *http.Request) (any, *fault) {
	path, isBot := strings.CutPrefix(r.URL.Path, "/bot")
	token, method, isCall := strings.Cut(path, "/")
	if !isBot || !isCall {
		return nil, &fault{code: http.StatusNotFound, text: "Not Found"}
	}
	f.mu.Lock()
	known := f.token == "" || f.token == token
	f.mu.Unlock()
	if !known {
		return nil, &fault{code: http.StatusUnauthorized, text: "Unauthorized"}
	}
	// Names of methods are the same in upper and lower case.
	run, ok := methods[strings.ToLower(method)]
	if !ok {
		return nil, &fault{code: http.StatusNotFound, text: "Not Found: method not found"}
	}
	q, err := readQuery(w, r)
	if err != nil {
		return nil, err
	}
	return run(f, q)
}

// fault is a refusal.
type fault struct {
	code int
	text string
	// retryAfter is in seconds, migrate the id of a supergroup; 0 for none.
	retryAfter int
	migrate    int64
}

func badRequest(format string, args ...any) *fault {
	return &fault{code: http.StatusBadRequest, text: "Bad Request: " + fmt.Sprintf(format, args...)}
}

func (e *fault) write(w http.ResponseWriter) {
	body := map[string]any{"ok": false, "error_code": e.code, "description": e.text}
	if e.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.retryAfter))
		body["parameters"] = map[string]any{"retry_after": e.retryAfter}
	}
	if e.migrate != 0 {
		body["parameters"] = map[string]any{"migrate_to_chat_id": e.migrate}
	}
	write(w, e.code, body)
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // what the caller does not read is its own loss
}

// take counts a message, or refuses it.
func (f *Fake) take(c chat) *fault {
	f.mu.Lock()
	l := f.limits
	f.mu.Unlock()
	room := []Limit{l.Chat}
	if c.ID < 0 {
		room = append(room, l.Group)
	}
	wait, ok := f.Take("chat "+c.room, room)
	if ok {
		wait, ok = f.Take("bot", []Limit{l.Bot})
	}
	if ok {
		return nil
	}
	seconds := max(1, int(math.Ceil(wait.Seconds())))
	return &fault{
		code:       http.StatusTooManyRequests,
		text:       fmt.Sprintf("Too Many Requests: retry after %d", seconds),
		retryAfter: seconds,
	}
}
