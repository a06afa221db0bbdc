package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/tasks"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)

func clock() time.Time { return now }

func send(text string) tasks.Message {
	return tasks.Message{
		ID: text, Token: text, Operation: tasks.Send, BridgeID: "orders", ExternalRoomID: "42",
		Text: text, Attempt: 1, Chunk: tasks.Chunk{Count: 1},
	}
}

func edit(id, text string) tasks.Message {
	m := send(text)
	m.Operation, m.ExternalMessageID = tasks.Edit, id
	return m
}

func TestDeliveriesAreKeptInOrder(t *testing.T) {
	ch := sandbox.New(sandbox.Config{Keep: 4, Now: clock})
	media := &tasks.Media{Kind: tasks.Image, URL: "https://example.com/cat.png"}
	other := &tasks.Media{Kind: tasks.Image, URL: "https://example.com/dog.png"}

	one, two, three := send("one"), edit("sb-1", "ONE"), send("")
	three.Operation, three.Media = tasks.SendMedia, media
	four := edit("sb-2", "")
	four.Operation, four.Media = tasks.EditMedia, other
	do(t, ch.Send, one, "sb-1")
	do(t, ch.Edit, two, "sb-1")
	do(t, ch.SendMedia, three, "sb-2")
	do(t, ch.EditMedia, four, "sb-2")

	edited, editedMedia := one, three
	edited.Text, editedMedia.Media = "ONE", other
	want := []sandbox.Record{
		{Message: edited, MessageID: "sb-1", Time: now, Edits: 1},
		{Message: two, MessageID: "sb-1", Time: now},
		{Message: editedMedia, MessageID: "sb-2", Time: now, Edits: 1},
		{Message: four, MessageID: "sb-2", Time: now},
	}
	if d := cmp.Diff(want, ch.Deliveries()); d != "" {
		t.Error(d)
	}

	for i := range 100 {
		do(t, ch.Send, send(fmt.Sprint(i)), fmt.Sprintf("sb-%d", i+3))
		kept := ch.Deliveries()
		if len(kept) != 4 || kept[3].Message.Text != fmt.Sprint(i) {
			t.Fatalf("after %d: kept %d, the last is %q", i, len(kept), kept[len(kept)-1].Message.Text)
		}
	}
	var ids []string
	for _, r := range ch.Deliveries() {
		ids = append(ids, r.MessageID)
	}
	if d := cmp.Diff([]string{"sb-99", "sb-100", "sb-101", "sb-102"}, ids); d != "" {
		t.Error(d)
	}
}

// do sends a message that is to be delivered as the id.
func do(t *testing.T, send func(context.Context, tasks.Message) (tasks.Delivery, error), m tasks.Message, id string) {
	t.Helper()
	got, err := send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(tasks.Delivery{MessageID: id}, got); d != "" {
		t.Error(d)
	}
}

func TestOrderOfRecordsIsTheOrderOfIDsAndLines(t *testing.T) {
	var lines bytes.Buffer
	ch := sandbox.New(sandbox.Config{Keep: 200, Writer: &lines})
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range 10 {
				_, _ = ch.Send(context.Background(), send("x"))
				_ = ch.Deliveries()
			}
		})
	}
	wg.Wait()
	printed := strings.Split(lines.String(), "\n")
	for i, r := range ch.Deliveries() {
		if want := fmt.Sprintf("sb-%d", i+1); r.MessageID != want || !strings.HasSuffix(printed[i], "  "+want) {
			t.Fatalf("record %d is %s, its line %q", i, r.MessageID, printed[i])
		}
	}
}

func TestNothingIsKeptUnlessAskedFor(t *testing.T) {
	ch := sandbox.New(sandbox.Config{Writer: &bytes.Buffer{}})
	do(t, ch.Send, send("x"), "sb-1")
	if got := ch.Deliveries(); len(got) != 0 {
		t.Errorf("kept %v", got)
	}
}

func TestLine(t *testing.T) {
	cases := map[string]struct {
		change func(*tasks.Message)
		want   string
	}{
		"a text":                    {func(m *tasks.Message) {}, `send        "hello"  sb-1`},
		"a text of lines stays one": {func(m *tasks.Message) { m.Text = "a\nb\x1b[2J" }, `send        "a\nb\x1b[2J"  sb-1`},
		"a text of 120 runes":       {func(m *tasks.Message) { m.Text = strings.Repeat("é", 120) }, `send        "` + strings.Repeat("é", 120) + `"  sb-1`},
		"a longer text is cut":      {func(m *tasks.Message) { m.Text = strings.Repeat("é", 121) }, `send        "` + strings.Repeat("é", 120) + `"…  sb-1`},
		"an edit":                   {func(m *tasks.Message) { m.Operation, m.ExternalMessageID = tasks.Edit, "17" }, `edit        "hello"  17`},
		"an id that would spoil it": {func(m *tasks.Message) { m.Operation, m.ExternalMessageID = tasks.Edit, "1\n7" }, `edit        "hello"  "1\n7"`},
		"media with a URL": {func(m *tasks.Message) {
			m.Operation, m.Media = tasks.SendMedia, &tasks.Media{Kind: "image", URL: "https://x/y"}
		}, `send_media  image "https://x/y"  sb-1`},
		"media with data and caption": {func(m *tasks.Message) {
			m.Operation, m.Media = tasks.SendMedia, &tasks.Media{Kind: "file", Data: "aGk=", Caption: "c"}
		}, `send_media  file (4 bytes of base64) "c"  sb-1`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var w bytes.Buffer
			ch := sandbox.New(sandbox.Config{Writer: &w, Now: clock})
			m := send("hello")
			c.change(&m)
			if _, err := ch.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff("03:04:05.678  orders:42  "+c.want+"\n", w.String()); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestStrictEditsOnlyWhatItMade(t *testing.T) {
	strict, lax := sandbox.New(sandbox.Config{Strict: true}), sandbox.New(sandbox.Config{})
	do(t, strict.Send, send("x"), "sb-1")
	do(t, strict.Edit, edit("sb-1", "y"), "sb-1")
	for _, id := range []string{"sb-0", "sb-2", "sb-01", "sb-+1", "sb-", "1", "", "sb-99999999999999999999"} {
		_, err := strict.Edit(t.Context(), edit(id, "y"))
		if v := classify.Classify(err); v.Reason != classify.ReasonNotFound || v.Category != classify.Terminal || v.Ambiguous {
			t.Errorf("%q: got %+v (%v)", id, v, err)
		}
		do(t, lax.Edit, edit(id, "y"), id)
	}
}

func TestNoOpAllocatesTheIDAlone(t *testing.T) {
	ch := sandbox.New(sandbox.Config{})
	m := send("x")
	m.Opts.Metadata = json.RawMessage(`{"order":17}`)
	ctx := t.Context()
	n := testing.AllocsPerRun(1000, func() {
		if _, err := ch.Send(ctx, m); err != nil {
			t.Error(err)
		}
	})
	if n > 1 {
		t.Errorf("%v allocations a delivery", n)
	}
}

func BenchmarkSend(b *testing.B) {
	ch := sandbox.New(sandbox.Config{})
	m := send("x")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = ch.Send(b.Context(), m)
	}
}
