package channeltest

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/outgate/outgate/tasks"
)

// stage is a channel before a fresh provider. The suite sees each request of HTTP,
// and may break it.
type stage struct {
	*suite
	Channel

	tb       testing.TB
	provider Provider
	server   *server

	mu       sync.Mutex
	requests int
	// In a rehearsal, changed is the first request after which the rooms were no
	// longer as before.
	rehearsing bool
	before     [2][]Message
	changed    int
	// breaks is what happens to a request in the place of an answer, by its number.
	breaks map[int]fault
}

// newStage makes a stage. Without a Provider every request is answered with 200.
func (s *suite) newStage(tb testing.TB) *stage {
	tb.Helper()
	st := &stage{suite: s, tb: tb}
	st.server = newServer(tb, st.answer)
	if s.Provider != nil {
		st.provider = s.Provider(tb, st.server.URL)
	}
	url := st.provider.Address
	if url == "" {
		url = st.server.URL
	}
	st.Channel = s.build(tb, url)
	return st
}

// overHTTP is true if the channel speaks HTTP with its provider.
func (st *stage) overHTTP() bool { return st.provider.Handler != nil && st.provider.Address == "" }

// answer answers a request, or breaks it.
func (st *stage) answer(w http.ResponseWriter, r *http.Request) {
	st.mu.Lock()
	st.requests++
	n, broken := st.requests, st.breaks[st.requests]
	st.mu.Unlock()
	if broken != nil {
		broken(st, w, r)
		return
	}
	if st.provider.Handler == nil {
		return
	}
	// Kept until it is known what it has done: its sender must not be ahead of that.
	kept := httptest.NewRecorder()
	st.provider.Handler.ServeHTTP(kept, r)
	st.observe(n)
	maps.Copy(w.Header(), kept.Header())
	w.WriteHeader(kept.Code)
	_, _ = w.Write(kept.Body.Bytes())
}

// observe notes the request that changed the rooms first.
func (st *stage) observe(n int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.rehearsing && st.changed == 0 && !same(st.before, st.standing()) {
		st.changed = n
	}
}

// fault breaks a request.
type fault func(st *stage, w http.ResponseWriter, r *http.Request)

// faults are the ways in which a request fails without its provider. lost is one
// that the provider took, and whose answer was lost.
var (
	faults = map[string]fault{
		"is refused with 403":         func(_ *stage, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"fails with 500":              func(_ *stage, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"is hung up on":               func(_ *stage, w http.ResponseWriter, _ *http.Request) { raw(w, "") },
		"is answered with {} and 200": func(_ *stage, w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) },
	}
	lost fault = func(st *stage, w http.ResponseWriter, r *http.Request) {
		st.provider.Handler.ServeHTTP(httptest.NewRecorder(), r)
		raw(w, "")
	}
)

// breakAt breaks the nth request from now on.
func (st *stage) breakAt(n int, f fault) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.breaks = map[int]fault{st.requests + n: f}
}

// rehearse does something, and tells how many requests it took, and which of them
// changed the rooms. If none did, it is the one after the last.
func (st *stage) rehearse(do func()) (requests, changed int) {
	before := st.standing()
	st.mu.Lock()
	from := st.requests
	st.rehearsing, st.before, st.changed = true, before, 0
	st.mu.Unlock()
	do()
	st.mu.Lock()
	defer st.mu.Unlock()
	st.rehearsing = false
	requests = st.requests - from
	if st.changed == 0 {
		return requests, requests + 1
	}
	return requests, st.changed - from
}

// deliver gives a message to the method of its operation. A panic is an error.
func (st *stage) deliver(m tasks.Message) (d tasks.Delivery, err error) {
	st.tb.Helper()
	return guarded(st.tb, st.Channel, m)
}

// must delivers a message that has to be accepted.
func (st *stage) must(m tasks.Message) tasks.Delivery {
	st.tb.Helper()
	d, err := st.deliver(m)
	if err != nil {
		st.tb.Fatalf("%s: got the error %v, want a delivery. Look at %s of the channel, and at the fake", m.Operation, err, name(m.Operation))
	}
	return d
}

// text makes a plain text.
func (st *stage) text(s string) tasks.Message {
	m := st.message(st.Channel, tasks.Send)
	m.Text, m.Opts.Format = s, tasks.Plain
	return m
}

// post sends a plain text that has to be accepted.
func (st *stage) post(s string) tasks.Delivery {
	st.tb.Helper()
	return st.must(st.text(s))
}

// revision makes an edit of a message.
func (st *stage) revision(op tasks.Operation, id string) tasks.Message {
	m := st.message(st.Channel, op)
	m.ExternalMessageID = id
	if op.IsMedia() {
		byAddress(&m, "dog.png", st.Capabilities().FetchesMedia)
	} else {
		m.Text, m.Opts.Format = "changed", tasks.Plain
	}
	return m
}

// in is what stands in a room.
func (st *stage) in(room string) []Message {
	if st.provider.Messages == nil {
		return nil
	}
	return slices.Clone(st.provider.Messages(room))
}

// standing is what stands in both rooms. A room with nothing is an empty list.
func (st *stage) standing() (now [2][]Message) {
	here, elsewhere := st.rooms()
	now[0], now[1] = st.in(here), st.in(elsewhere)
	return now
}

func same(a, b [2][]Message) bool { return slices.Equal(a[0], b[0]) && slices.Equal(a[1], b[1]) }

// last is the newest message of the first room.
func (st *stage) last() Message {
	st.tb.Helper()
	here, _ := st.rooms()
	all := st.in(here)
	if len(all) == 0 {
		st.tb.Fatalf("got an empty room %q after a delivery, want a message in it. Look at what the channel makes of m.ExternalRoomID, and at Provider.Messages", here)
	}
	return all[len(all)-1]
}

// guarded calls the method of a message's operation. A panic is an error.
func guarded(tb testing.TB, ch Channel, m tasks.Message) (d tasks.Delivery, err error) {
	tb.Helper()
	send := method(ch, m.Operation)
	if send == nil {
		return d, fmt.Errorf("the channel has no method %s", name(m.Operation))
	}
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("%s panicked: %v", name(m.Operation), x)
		}
	}()
	return send(tb.Context(), m)
}

// name is the method of an operation.
func name(op tasks.Operation) string {
	switch op {
	case tasks.Send:
		return "Send"
	case tasks.Edit:
		return "Edit"
	case tasks.SendMedia:
		return "SendMedia"
	case tasks.EditMedia:
		return "EditMedia"
	default:
		return "Delete"
	}
}

// show is a list of messages for a failure.
func show(messages []Message) string {
	if len(messages) == 0 {
		return "nothing"
	}
	var lines []string
	for _, m := range messages {
		line := fmt.Sprintf("%s %s", m.ID, short(m.Text))
		if m.Media != "" {
			line += fmt.Sprintf(" with %s (%d bytes)", m.Media, m.Size)
		}
		lines = append(lines, line)
	}
	return "[" + strings.Join(lines, ", ") + "]"
}

// short is a text for a failure.
func short(s string) string {
	const most = 60
	if len(s) <= most {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q… of %d bytes", s[:most], len(s))
}
