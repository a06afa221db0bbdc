// Package matrixfake is a Matrix homeserver that stands in for a real one in tests
// and in "outgate dev --fake". It answers as Synapse does, for as much of the
// Client-Server API as a user needs who writes into rooms: messages, edits,
// redactions, media, aliases, transactions, /messages and the limit of rc_message.
// It knows one user, whose access token can be changed; it has no federation, no
// /sync and no encryption, and it forgets the bytes of media.
package matrixfake

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/outgate/outgate/handlers/internal/fakes"
)

// What a Config leaves out.
const (
	DefaultToken = "matrix-token"
	DefaultUser  = "@outgate:fake.example"
)

// txnWindow is how long a transaction is remembered: as long as Synapse does at least.
const txnWindow = 30 * time.Minute

// txn is a transaction that was accepted: the event that came of it, and when.
type txn struct {
	event string
	at    time.Time
}

// Config says what a Fake is like. The zero value will do.
type Config struct {
	// Token is the access token it takes; empty is DefaultToken.
	Token string
	// User is the id of the user whose token that is; empty is DefaultUser.
	User string
	// Rooms are the rooms that the user is in; none is every room there may be.
	Rooms []string
	// Limits are enforced; zero fields are those of DefaultLimits.
	Limits Limits
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Fake is the homeserver. It is safe for concurrent use.
type Fake struct {
	fakes.Base
	user string
	now  func() time.Time
	mux  *http.ServeMux

	mu      sync.Mutex
	token   string
	limits  Limits
	buckets map[string]*bucket // of each access token
	open    bool               // every room is joined, save those in left
	joined  map[string]bool
	left    map[string]bool
	aliases map[string]string
	rooms   map[string]*room
	txns    map[string]txn
	uploads map[string]Upload
	events  int
}

// New makes a Fake.
func New(cfg Config) *Fake {
	f := &Fake{
		user:    cfg.User,
		now:     cfg.Now,
		token:   cfg.Token,
		limits:  cfg.Limits.orDefault(),
		buckets: make(map[string]*bucket),
		open:    len(cfg.Rooms) == 0,
		joined:  make(map[string]bool),
		left:    make(map[string]bool),
		aliases: make(map[string]string),
		rooms:   make(map[string]*room),
		txns:    make(map[string]txn),
		uploads: make(map[string]Upload),
	}
	if f.token == "" {
		f.token = DefaultToken
	}
	if f.user == "" {
		f.user = DefaultUser
	}
	if f.now == nil {
		f.now = time.Now
	}
	for _, id := range cfg.Rooms {
		f.joined[id] = true
	}
	f.route()
	return f
}

// route says who answers what.
func (f *Fake) route() {
	f.mux = http.NewServeMux()
	for path, methods := range map[string]map[string]http.HandlerFunc{
		"/_matrix/client/versions":                                  {http.MethodGet: versions},
		"/_matrix/client/{version}/account/whoami":                  {http.MethodGet: f.authorized(f.whoami)},
		"/_matrix/client/{version}/directory/room/{alias}":          {http.MethodGet: f.authorized(f.resolve)},
		"/_matrix/client/{version}/rooms/{room}/send/{type}/{txn}":  {http.MethodPut: f.authorized(f.send)},
		"/_matrix/client/{version}/rooms/{room}/redact/{event}/{t}": {http.MethodPut: f.authorized(f.redact)},
		"/_matrix/client/{version}/rooms/{room}/messages":           {http.MethodGet: f.authorized(f.messages)},
		"/_matrix/client/{version}/media/config":                    {http.MethodGet: f.authorized(f.config)},
		"/_matrix/media/{version}/upload":                           {http.MethodPost: f.authorized(f.upload)},
	} {
		f.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			switch h := methods[r.Method]; {
			case !known(r.PathValue("version"), r.URL.Path):
				f.unrecognized(w, r)
			case h == nil:
				f.refuse(w, http.StatusMethodNotAllowed, "M_UNRECOGNIZED", "Unrecognized request")
			default:
				h(w, r)
			}
		})
	}
	f.mux.HandleFunc("/", f.unrecognized)
}

// known is true for the version of the API that a path has: media's configuration
// came with v1.
func known(version, path string) bool {
	if strings.HasSuffix(path, "/media/config") {
		return version == "v1"
	}
	return version == "" || version == "v3" || version == "r0"
}

// ServeHTTP answers as the homeserver does.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.Count(func(c *fakes.Counts) { c.Requests++ })
	f.mux.ServeHTTP(w, r)
}

// SetToken changes the access token; with an empty one nobody is let in.
func (f *Fake) SetToken(token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.token = token
}

// Join lets the user into a room.
func (f *Fake) Join(roomID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.joined[roomID] = true
	delete(f.left, roomID)
}

// Kick puts the user out of a room.
func (f *Fake) Kick(roomID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.joined, roomID)
	f.left[roomID] = true
}

// Alias gives a room a name, which may have been another's before.
func (f *Fake) Alias(alias, roomID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.aliases[alias] = roomID
}

// authorized answers those who have no access token, or a wrong one, themselves.
func (f *Fake) authorized(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		got, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		f.mu.Lock()
		token := f.token
		f.mu.Unlock()
		switch {
		case !ok:
			f.refuse(w, http.StatusUnauthorized, "M_MISSING_TOKEN", "Missing access token")
		case token == "" || got != token:
			f.refuse(w, http.StatusUnauthorized, "M_UNKNOWN_TOKEN", "Invalid access token passed.", "soft_logout", false)
		default:
			next(w, r)
		}
	}
}

func versions(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]any{"versions": []string{"r0.6.1", "v1.1", "v1.10", "v1.11"}})
}

func (f *Fake) whoami(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]any{"user_id": f.user, "device_id": "FAKE", "is_guest": false})
}

func (f *Fake) resolve(w http.ResponseWriter, r *http.Request) {
	alias := r.PathValue("alias")
	f.mu.Lock()
	id, ok := f.aliases[alias]
	f.mu.Unlock()
	if !ok {
		f.refuse(w, http.StatusNotFound, "M_NOT_FOUND", "Room alias "+alias+" not found")
		return
	}
	answer(w, map[string]any{"room_id": id, "servers": []string{"fake.example"}})
}

func (f *Fake) unrecognized(w http.ResponseWriter, _ *http.Request) {
	f.refuse(w, http.StatusNotFound, "M_UNRECOGNIZED", "Unrecognized request")
}

// refuse answers with an error, and with more fields where there are pairs of them.
func (f *Fake) refuse(w http.ResponseWriter, status int, code, message string, more ...any) {
	f.Count(func(c *fakes.Counts) {
		if status == http.StatusTooManyRequests {
			c.Throttled++
		} else {
			c.Refused++
		}
	})
	body := map[string]any{"errcode": code, "error": message}
	for i := 0; i+1 < len(more); i += 2 {
		body[more[i].(string)] = more[i+1]
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}
