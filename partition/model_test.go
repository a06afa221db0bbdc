package partition_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outgate/outgate/partition"
)

// model is what the lines of one partition promise, next to the real ones: a
// program of random steps goes through both.
type model struct {
	*gateway
	program []byte
	steps   []string // what happened, for whoever reads a failure

	rooms     []*room
	envelopes map[string]*envelope
	hand      []*task // what living workers hold
	dead      []*task // what workers held that died
	sweeping  *partition.Sweeper
	outcomes  *listener
	tokens    int
}

// room is a line as it was admitted.
type room struct {
	name string
	// open lists what has no outcome yet, in order of admission.
	open []string
	// broken is true once somebody deleted a key of the room behind asynq's back:
	// nobody can promise its order any more.
	broken bool
}

// envelope is what its journal has to know.
type envelope struct {
	id       string
	room     *room
	mark     string // the attempt in flight
	expired  bool   // its worker died, and no sweep came by
	try      int
	crashes  int
	doubtful bool
	progress string
}

// task is an envelope in the hands of a worker.
type task struct {
	*envelope
	token string // the attempt that this worker began
}

func newModel(g *gateway, program []byte) *model {
	m := &model{
		gateway: g, program: program, envelopes: map[string]*envelope{},
		sweeping: g.sweeper(), outcomes: g.listen(g.keys.Outcomes()),
	}
	for i := range 6 {
		m.rooms = append(m.rooms, &room{name: fmt.Sprint("room", i)})
	}
	return m
}

// next is the next byte of the program, 0 after its end.
func (m *model) next() int {
	if len(m.program) == 0 {
		return 0
	}
	b := m.program[0]
	m.program = m.program[1:]
	return int(b)
}

func (m *model) note(format string, args ...any) {
	m.steps = append(m.steps, fmt.Sprintf(format, args...))
}

// broke ends the test with how it came to that.
func (m *model) broke(format string, args ...any) {
	m.Helper()
	m.Fatalf("%s, after:\n%s", fmt.Sprintf(format, args...), strings.Join(m.steps, "\n"))
}

func (m *model) run() {
	m.Helper()
	for len(m.program) > 0 {
		step := m.next() % 16
		switch {
		case step < 5:
			m.enqueue(m.next())
		case step < 8:
			m.take(m.next())
		case step < 12:
			if len(m.hand) > 0 {
				m.work(m.hand[m.next()%len(m.hand)], m.next())
			}
		case step == 12:
			m.die(m.next())
		case step == 13:
			m.report(m.next())
		case step == 14:
			m.forward()
			m.sweep(m.sweeping.Check)
		default:
			m.meddle(m.next(), m.next())
		}
	}
}

func (m *model) enqueue(b int) {
	m.Helper()
	r, more := m.rooms[b%len(m.rooms)], []string{fmt.Sprintf(`"idempotency_key":"%d"`, len(m.envelopes))}
	if b >= 192 {
		more = []string{`"priority":"critical"`}
	}
	receipt, err := m.gateway.enqueue(m.keys.Tag(), r.name, more...)
	if err != nil {
		if !strings.HasPrefix(err.Error(), "OUTGATE_QUEUE_FULL") {
			m.broke("enqueue: %v", err)
		}
		return
	}
	m.note("%s admitted to %s", receipt.ID, r.name)
	m.envelopes[receipt.ID] = &envelope{id: receipt.ID, room: r}
	r.open = append(r.open, receipt.ID)
}

func (m *model) take(b int) {
	m.Helper()
	m.tokens++
	prefix := fmt.Sprint("take", m.tokens, ".")
	taken, err := m.lines.Take(m.Context(), "worker", 1+b%3, prefix, b%8 != 0)
	m.must(err)
	if b%4 == 1 && len(taken) > 0 {
		m.askAgain(prefix, taken)
	}
	for _, t := range taken {
		e := m.envelopes[t.ID]
		if e == nil {
			m.broke("took %s, which nobody admitted", t.ID)
		}
		m.note("%s taken with the token %q", t.ID, t.Token)
		if slices.ContainsFunc(m.hand, func(other *task) bool { return other.id == t.ID }) && !e.room.broken {
			m.broke("%s is given out twice", t.ID)
		}
		m.hand = append(m.hand, &task{envelope: e, token: t.Token})
		if t.Token != "" {
			if !e.room.broken && (e.try > 0 || e.mark != "" || e.crashes > 0) {
				m.broke("%s counts as fresh: %+v", t.ID, *e)
			}
			e.mark, e.try = t.Token, 1
			m.send(e)
		}
	}
}

// askAgain takes as a worker does that got no answer.
func (m *model) askAgain(prefix string, taken []partition.Taken) {
	m.Helper()
	again, err := m.lines.Take(m.Context(), "worker", 9, prefix, true)
	m.must(err)
	want := slices.DeleteFunc(slices.Clone(taken), func(t partition.Taken) bool {
		return t.Token == "" && m.field(m.keys.Task(t.ID), "og_flight") != "" // it waits for a sweep
	})
	if !slices.Equal(again, want) {
		m.broke("asked again for %v: %v", ids(want), ids(again))
	}
}

// send is where the provider hears of an envelope: everything before it in its
// room has to be settled.
func (m *model) send(e *envelope) {
	m.Helper()
	r := e.room
	for len(r.open) > 0 && m.outcome(r.open[0]) != "" {
		r.open = r.open[1:]
	}
	if !r.broken && (len(r.open) == 0 || r.open[0] != e.id) {
		m.broke("%s is sent while %v wait", e.id, r.open)
	}
}

// drop takes a task out of a worker's hands.
func (m *model) drop(t *task) {
	m.hand = slices.DeleteFunc(m.hand, func(other *task) bool { return other == t })
}

// work goes on with a task, as a worker does.
func (m *model) work(t *task, b int) {
	m.Helper()
	if t.token == "" {
		if b >= 250 {
			m.putBack(t)
			return
		}
		m.ask(t, b%4 != 0)
		return
	}
	switch {
	case b < 140:
		m.settle(t, partition.Done)
	case b < 170:
		m.settle(t, partition.Dead)
	case b < 180:
		m.settle(t, partition.Hold)
	case b < 185:
		m.putBack(t)
	case b < 195:
		m.ask(t, false)
	default:
		m.suspendTask(t, b)
	}
}

// ask begins an attempt, and compares what the journal says with what happened.
func (m *model) ask(t *task, mark bool) {
	m.Helper()
	e, token := t.envelope, t.token
	if token == "" {
		m.tokens++
		token = fmt.Sprint("try", m.tokens)
	}
	var got partition.Begun
	switch {
	case mark:
		got = m.mark(e.id, e.room.name, token)
	case t.token == "":
		got = m.claim(e.id, e.room.name)
	default:
		got = m.unmark(e.id, e.room.name, token)
	}
	m.note("%s begun by %s (mark %t): %+v", e.id, token, mark, got)
	switch got.Turn {
	case partition.TurnWait:
		m.handBack(t)
		return
	case partition.TurnGone, partition.TurnParked:
		m.drop(t)
		return
	case partition.TurnGo:
	}
	want := partition.Begun{Turn: partition.TurnGo, Progress: e.progress}
	switch {
	case e.mark != "" && e.mark != token:
		e.crashes, e.doubtful, want.Lost, e.mark = e.crashes+1, true, true, ""
	case e.mark == token && !mark:
		e.mark, e.try, t.token = "", e.try-1, ""
	}
	if mark && e.mark == "" {
		e.mark, e.try, t.token = token, e.try+1, token
	}
	want.Try, want.Crashes, want.Ambiguous = e.try, e.crashes, e.doubtful
	if got != want && !e.room.broken {
		m.broke("begin %s answers %+v, want %+v", e.id, got, want)
	}
	if mark {
		m.send(e)
	}
}

func (m *model) settle(t *task, kind partition.Kind) {
	m.Helper()
	got := m.finish(t.id, t.room.name, t.token, kind)
	m.note("%s settled by %s, %s: %+v", t.id, t.token, kind, got)
	// Only an attempt that is in flight keeps another from settling.
	if want := t.mark == t.token || t.mark == ""; !t.room.broken && (got.OK != want || got.Fenced == want) {
		m.broke("finish %s by %s: %+v, its attempt in flight is %q", t.id, t.token, got, t.mark)
	}
	if got.OK {
		t.mark = ""
	}
	m.drop(t)
}

func (m *model) suspendTask(t *task, b int) {
	m.Helper()
	s := partition.Suspension{Ambiguous: b%4 == 0, Refund: b%3 == 0, Progress: fmt.Sprint("p", b%2)}
	if b >= 220 {
		s.Wait = time.Hour
	}
	if !m.suspended(t, s) || b < 220 {
		return
	}
	m.handBack(t)
}

// suspended reports an attempt, and keeps the books.
func (m *model) suspended(t *task, s partition.Suspension) bool {
	m.Helper()
	ours := m.suspend(t.id, t.token, s)
	m.note("%s suspended by %s: %t", t.id, t.token, ours)
	if ours != (t.mark == t.token) && !t.room.broken {
		m.broke("suspend %s by %s: %t, its attempt in flight is %q", t.id, t.token, ours, t.mark)
	}
	if !ours {
		m.drop(t)
		return false
	}
	t.mark, t.token, t.progress, t.doubtful = "", "", s.Progress, t.doubtful || s.Ambiguous
	if s.Refund {
		t.try--
	}
	return true
}

func testModel(t testing.TB, g *gateway, program []byte) {
	t.Helper()
	m := newModel(g, program)
	m.run()
	m.drain()
	m.check()
}
