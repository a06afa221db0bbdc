package sandbox_test

import (
	"bytes"
	"encoding/base64"
	"testing"

	"github.com/outgate/outgate/handlers/channeltest"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/tasks"
)

func TestConformance(t *testing.T) {
	cases := map[string]sandbox.Config{
		"keeping":                 {Keep: 1000},
		"printing and keeping":    {Writer: &bytes.Buffer{}, Keep: 1000},
		"with a script that fits": {Keep: 1000, Behave: func(tasks.Message) sandbox.Behavior { return sandbox.Behavior{} }},
	}
	for name, cfg := range cases {
		t.Run(name, func(t *testing.T) {
			var ch *sandbox.Channel // the channel is its own provider
			channeltest.Run(t, channeltest.Harness{
				New: func(string) (channeltest.Channel, error) {
					ch = sandbox.New(cfg)
					return ch, nil
				},
				Provider: func(testing.TB, string) channeltest.Provider {
					return channeltest.Provider{Messages: func(room string) []channeltest.Message { return seen(ch, room) }}
				},
			})
		})
	}
}

func TestConformanceOfANoOp(t *testing.T) {
	channeltest.Run(t, channeltest.Harness{
		New:    func(string) (channeltest.Channel, error) { return sandbox.New(sandbox.Config{}), nil },
		Unseen: true, // it keeps nothing
	})
}

// seen is what a reader would see of what was delivered to a room.
func seen(ch *sandbox.Channel, room string) (all []channeltest.Message) {
	for _, r := range ch.Deliveries() {
		m := r.Message
		if m.ExternalRoomID != room || m.Operation.IsEdit() {
			continue
		}
		found, text := channeltest.Message{ID: r.MessageID}, m.Text
		if m.Media != nil {
			data, _ := base64.StdEncoding.DecodeString(m.Media.Data)
			text, found.Size = m.Media.Caption, int64(len(data))
			if found.Media = m.Media.URL; found.Media == "" {
				found.Media = m.Media.Filename
			}
		}
		found.Text, found.Strong = channeltest.Reading(text, m.Opts.Format)
		all = append(all, found)
	}
	return all
}
