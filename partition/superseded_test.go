package partition_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// edit is an edit of a message in room r.
func edit(message string) tasks.Envelope {
	return tasks.Envelope{
		Operation: tasks.Edit, BridgeID: "tg", ExternalRoomID: "r", ExternalMessageID: message, Payload: tasks.Text("new"),
	}
}

// superseded asks about each of the envelopes, by their places; -1 is for none.
func (g *gateway) superseded(ids []string, message string) []int {
	g.Helper()
	by := make([]int, len(ids))
	for i, id := range ids {
		got, err := g.lines.Superseded(g.Context(), id, line("r"), message)
		g.must(err)
		by[i] = -1
		for j := range ids {
			if ids[j] == got {
				by[i] = j
			}
		}
		if got != "" && by[i] < 0 {
			g.Errorf("superseded by %q, which is none of %q", got, ids)
		}
	}
	return by
}

func TestALaterEditOfTheSameMessageSupersedes(t *testing.T) {
	media := func(message string) tasks.Envelope {
		e := edit(message)
		e.Operation, e.Payload = tasks.EditMedia, tasks.Payload{Media: &tasks.Media{Kind: tasks.Image, URL: "https://e.com/a.png"}}
		return e
	}
	expiring := edit("m")
	expiring.ExpiresAtMS = time.Now().Add(time.Hour).UnixMilli()
	send := tasks.Envelope{Operation: tasks.Send, BridgeID: "tg", ExternalRoomID: "r", Payload: tasks.Text("hi")}
	for name, tc := range map[string]struct {
		envelopes []tasks.Envelope
		want      []int
	}{
		"one alone stands":                      {[]tasks.Envelope{edit("m")}, []int{-1}},
		"the last one of several":               {[]tasks.Envelope{edit("m"), edit("m"), edit("m")}, []int{2, 2, -1}},
		"another message's does not":            {[]tasks.Envelope{edit("m"), edit("n"), edit("m")}, []int{2, -1, -1}},
		"what is sent between does not matter":  {[]tasks.Envelope{edit("m"), send, edit("m")}, []int{2, -1, -1}},
		"never across its media":                {[]tasks.Envelope{edit("m"), edit("m"), media("m"), edit("m"), edit("m")}, []int{-1, -1, -1, 4, -1}},
		"another message's media do not matter": {[]tasks.Envelope{edit("m"), media("n"), edit("m")}, []int{2, -1, -1}},
		"one that may expire takes no place":    {[]tasks.Envelope{edit("m"), expiring, edit("m")}, []int{-1, -1, -1}},
	} {
		t.Run(name, func(t *testing.T) {
			onBothBackends(t, func(g *gateway) {
				client := tasks.NewClient(g.rdb)
				var ids []string
				for _, e := range tc.envelopes {
					r, err := client.Enqueue(g.Context(), e)
					g.must(err)
					ids = append(ids, r.ID)
				}
				got := g.superseded(ids, "m")
				for i, e := range tc.envelopes {
					if e.ExternalMessageID != "m" {
						got[i] = -1 // not an edit of m
					}
				}
				g.want("superseded by", got, tc.want)
			})
		})
	}
}

func TestARawEnvelopeSupersedesLikeAnyOther(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		const raw = `"bridge_id":"tg","external_room_id":"r","external_message_id":"m"`
		var ids []string
		for _, e := range []string{
			`{"operation":"edit","payload":"1",` + raw + `}`,
			`{"operation":"edit","payload":"2",` + raw + `}`,
			`{"operation":"edit_media","payload":{"kind":"image","url":"https://e.com/a.png"},` + raw + `}`,
			`{"operation":"edit","payload":"3","expires_at_ms":9007199254740991,` + raw + `}`,
			`{"operation":"edit","payload":"4",` + raw + `}`,
			`{"operation":"edit","payload":"5",` + raw + `}`,
		} {
			answer, err := g.rdb.Eval(g.Context(), tasks.EnqueueScript, []string{g.keys.Tag()}, e).Text()
			g.must(err)
			var r tasks.Receipt
			g.must(json.Unmarshal([]byte(answer), &r))
			ids = append(ids, r.ID)
		}
		g.want("superseded by", g.superseded(ids, "m"), []int{-1, -1, -1, -1, 5, -1})
	})
}

func TestAnEditIsNotSupersededByOneThatIsGone(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		client := tasks.NewClient(g.rdb)
		var ids []string
		for range 2 {
			r, err := client.Enqueue(g.Context(), edit("m"))
			g.must(err)
			ids = append(ids, r.ID)
		}
		g.must(g.inspector.DeleteTask(g.keys.Queue, ids[1]))
		g.want("superseded by", g.superseded(ids, "m"), []int{-1, -1})
		if ttl := g.rdb.PTTL(g.Context(), g.keys.Edits(line("r"))).Val(); ttl <= 0 || ttl > 24*time.Hour {
			g.Errorf("what is known of the edits is kept for %s", ttl)
		}
	})
}

func TestAnAttemptTellsTheAgeOfTheFirst(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		for name, taken := range map[string]bool{"begun as it was taken": true, "begun by itself": false} {
			id := g.admit(name)
			first, err := g.lines.Take(g.Context(), "", 1, "worker.", taken)
			g.must(err)
			token := first[0].Token
			if !taken {
				token = "one"
				g.mark(id, name, token)
			}
			at := g.field(g.keys.Task(id), "og_at")
			g.do("HINCRBY", g.keys.Task(id), "og_at", -60_000)
			g.want(name+": suspended", g.suspend(id, token, partition.Suspension{Ambiguous: true}), true)
			b, err := g.lines.Mark(g.Context(), id, line(name), "two")
			g.must(err)
			if b.Age < time.Minute || b.Age > 2*time.Minute || len(at) != 13 {
				g.Errorf("%s: age %s, first at %s", name, b.Age, at)
			}
			g.finish(id, name, "two", partition.Done)
		}
	})
}
