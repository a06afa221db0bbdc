package channeltest

import (
	"slices"
	"strings"
	"testing"

	"github.com/outgate/outgate/tasks"
)

// rooms checks that a new message stands in its room, and in no other.
func rooms(tb testing.TB, s *suite) {
	for _, op := range []tasks.Operation{tasks.Send, tasks.SendMedia} {
		st := s.newStage(tb)
		if !st.Capabilities().Supports(op) {
			continue
		}
		here, elsewhere := s.rooms()
		for i, room := range []string{here, elsewhere} {
			before := st.standing()
			m := st.message(st.Channel, op)
			m.ExternalRoomID = room
			st.must(m)
			after := st.standing()
			got := [2]int{len(after[0]) - len(before[0]), len(after[1]) - len(before[1])}
			want := [2]int{1 - i, i}
			if got != want {
				tb.Errorf("%s to room %q: got %d new messages in room %q and %d in room %q, want %d and %d. Look at what %s makes of m.ExternalRoomID",
					op, room, got[0], here, got[1], elsewhere, want[0], want[1], name(op))
			}
		}
	}
}

// wholeText checks that a text is not changed, and not cut before its longest.
func wholeText(tb testing.TB, s *suite) {
	st := s.newStage(tb)
	for _, text := range []string{`Grüße & <tags>, "quotes"` + " and \U0001F600", st.longest()} {
		st.post(text)
		if got := st.last().Text; got != text {
			tb.Errorf("a plain text: got %s in the room, want %s. Look at where Send puts m.Text, and at Capabilities.Text", short(got), short(text))
		}
	}
}

// longest is a text as long as the channel declares, or of 2,000 letters.
func (st *stage) longest() string {
	length := st.Capabilities().Text
	if length.Max <= 0 {
		return strings.Repeat("x", 2000)
	}
	return strings.Repeat("x", length.Max/max(1, length.Measure("x", tasks.Plain)))
}

// ids checks that a delivery has the id of the message that it made.
func ids(tb testing.TB, s *suite) {
	st := s.newStage(tb)
	known := map[string]bool{}
	for _, text := range []string{"one", "two", "three"} {
		got := st.post(text).MessageID
		if want := st.last().ID; got != want {
			tb.Errorf("text %q: got the message id %q, want %q, which the provider gave. Look at what Send reads of the reply", text, got, want)
		}
		if got != "" && known[got] {
			tb.Errorf("text %q: got the message id %q a second time, want one of its own. Look at what Send reads of the reply", text, got)
		}
		known[got] = true
	}
}

// edits checks that an edit changes its message alone.
func edits(tb testing.TB, s *suite) {
	for edit, post := range map[tasks.Operation]tasks.Operation{tasks.Edit: tasks.Send, tasks.EditMedia: tasks.SendMedia} {
		st := s.newStage(tb)
		if !st.Capabilities().Supports(edit) || !st.Capabilities().Supports(post) {
			continue
		}
		target, before := st.fill(post)
		d := st.must(st.revision(edit, target))
		st.wantEdited(edit, target, before)
		if d.MessageID != target {
			tb.Errorf("%s: got the message id %q, want that of the edited message, %q. Look at the delivery of %s", edit, d.MessageID, target, name(edit))
		}
	}
}

// fill posts three messages into the first room and one into the other. The answer is
// the id of the second one, and what stands in the rooms.
func (st *stage) fill(op tasks.Operation) (second string, now [2][]Message) {
	st.tb.Helper()
	here, elsewhere := st.rooms()
	for i, room := range []string{here, here, here, elsewhere} {
		m := st.message(st.Channel, op)
		m.ExternalRoomID = room
		if id := st.must(m).MessageID; i == 1 {
			second = id
		}
	}
	if now = st.standing(); len(now[0]) != 3 || len(now[1]) != 1 {
		st.tb.Fatalf("%s: got the rooms %s and %s, want 3 and 1 messages in them. Look at what the channel makes of m.ExternalRoomID", op, show(now[0]), show(now[1]))
	}
	return second, now
}

// wantEdited checks that the second message of the first room was changed by a
// revision, and nothing else.
func (st *stage) wantEdited(op tasks.Operation, target string, before [2][]Message) {
	st.tb.Helper()
	now := st.standing()
	want := before
	want[0] = slices.Clone(before[0])
	edited := &want[0][1]
	edited.Text, edited.Strong = "changed", ""
	if op.IsMedia() {
		edited.Text = "a picture"
		for _, m := range now[0] {
			if m.ID == target && strings.Contains(m.Media, "dog.png") {
				edited.Media, edited.Size = m.Media, m.Size
			}
		}
		if !strings.Contains(edited.Media, "dog.png") {
			st.tb.Errorf("%s of message %q: got the media %q, want dog.png. Look at where %s puts m.Media and m.Content", op, target, edited.Media, name(op))
		}
	}
	if !same(now, want) {
		st.tb.Errorf("%s of message %q: got the rooms %s and %s, want %s and %s. Look at what %s makes of m.ExternalMessageID, and of m.Text",
			op, target, show(now[0]), show(now[1]), show(want[0]), show(want[1]), name(op))
	}
}
