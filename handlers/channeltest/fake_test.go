package channeltest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outgate/outgate/handlers/channeltest"
)

// fake is the provider of the reference channel. It knows a token for a window.
type fake struct {
	mu      sync.Mutex
	n       int
	now     time.Duration
	revoked bool
	rooms   map[string][]channeltest.Message
	files   map[string]wire
	tokens  map[string]posted
}

type posted struct {
	room, id string
	at       time.Duration
}

func provider(testing.TB, string) channeltest.Provider {
	f := &fake{rooms: map[string][]channeltest.Message{}, files: map[string]wire{}, tokens: map[string]posted{}}
	return channeltest.Provider{Handler: f, Messages: f.messages, Revoke: f.revoke, Advance: f.advance}
}

func (f *fake) messages(room string) []channeltest.Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.rooms[room])
}

func (f *fake) revoke() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.revoked = true
}

func (f *fake) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now += d
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var in wire
	_ = json.NewDecoder(r.Body).Decode(&in)
	status, out := http.StatusOK, answer{}
	switch op := path.Base(r.URL.Path); {
	case f.revoked || !strings.HasPrefix(r.URL.Path, "/"+secret+"/"):
		status = http.StatusUnauthorized
	case op == "check":
		out.ID = "me"
	case op == "upload":
		out.ID = f.id("f")
		f.files[out.ID] = in
	case op == "find":
		out = f.find(in)
	case op == "send":
		out.ID = f.post(in)
	default:
		status, out.ID = f.change(op, in)
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out)
}

func (f *fake) id(kind string) string {
	f.n++
	return fmt.Sprint(kind, f.n)
}

// message is what a reader sees of what came.
func (f *fake) message(in wire, id string) channeltest.Message {
	m := channeltest.Message{ID: id, Media: f.files[in.File].Text, Size: int64(len(f.files[in.File].Data))}
	m.Text, m.Strong = channeltest.Reading(in.Text, in.Format)
	return m
}

func (f *fake) post(in wire) string {
	if known, ok := f.tokens[in.Token]; ok && f.now-known.at <= window {
		return known.id
	}
	id := f.id("m")
	f.tokens[in.Token] = posted{in.Room, id, f.now}
	f.rooms[in.Room] = append(f.rooms[in.Room], f.message(in, id))
	return id
}

// find is the message of a token; without a token it is any message of the room.
func (f *fake) find(in wire) answer {
	there := false
	for token, p := range f.tokens {
		if p.room == in.Room && (in.Token == "" || in.Token == token) {
			there = true
			return answer{ID: p.id, Found: &there}
		}
	}
	return answer{Found: &there}
}

func (f *fake) change(op string, in wire) (status int, id string) {
	at := slices.IndexFunc(f.rooms[in.Room], func(m channeltest.Message) bool { return m.ID == in.ID })
	if at < 0 {
		return http.StatusNotFound, ""
	}
	if op == "delete" {
		f.rooms[in.Room] = slices.Delete(f.rooms[in.Room], at, at+1)
		return http.StatusOK, in.ID
	}
	m := f.message(in, in.ID)
	if in.File == "" {
		m.Media, m.Size = f.rooms[in.Room][at].Media, f.rooms[in.Room][at].Size
	}
	f.rooms[in.Room][at] = m
	return http.StatusOK, in.ID
}
