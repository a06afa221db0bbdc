package daemon

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/hibiken/asynq"
	"github.com/hibiken/asynqmon"

	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/tasks"
)

// monitorRoot is where asynqmon's pages are.
const monitorRoot = "/asynqmon"

// monitor is asynqmon: its pages, and what closes its connections.
type monitor struct {
	*asynqmon.HTTPHandler
	write bool
}

// redisAt makes the clients of asynqmon, which closes them itself.
type redisAt string

// MakeRedisClient implements asynq.RedisConnOpt.
func (address redisAt) MakeRedisClient() any {
	rdb, err := config.NewRedis(string(address))
	if err != nil {
		return err // asynqmon panics with it; the address was checked before
	}
	return rdb
}

var _ asynq.RedisConnOpt = redisAt("")

func newMonitor(c *config.Config) *monitor {
	write := c.HTTP.Asynqmon == "write"
	return &monitor{write: write, HTTPHandler: asynqmon.New(asynqmon.Options{
		RootPath: monitorRoot, RedisConnOpt: redisAt(c.Redis.URL.Reveal()), ReadOnly: !write,
		PayloadFormatter: asynqmon.PayloadFormatterFunc(shownPayload),
	})}
}

// ServeHTTP implements http.Handler. What only looks is let through; what acts
// needs http.asynqmon: write, and must come from asynqmon's own pages.
func (m *monitor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	looks := r.Method == http.MethodGet || r.Method == http.MethodHead
	if !looks && !m.write {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "these pages only look, unless http.asynqmon is write", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", monitorPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	http.NewCrossOriginProtection().Handler(m.HTTPHandler).ServeHTTP(w, r)
}

// monitorPolicy keeps asynqmon from asking anything of elsewhere: its page names fonts of
// Google, and does without. Its own scripts and styles are in its pages.
const monitorPolicy = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; object-src 'none'"

// shownPayload is an envelope as asynqmon shows it: where it goes and how large it
// is. What it says is for its room alone.
func shownPayload(_ string, payload []byte) string {
	e, err := tasks.DecodeEnvelope(payload, len(payload))
	if err != nil {
		return fmt.Sprintf("%d bytes that are no envelope", len(payload))
	}
	shown := struct {
		Operation         tasks.Operation `json:"operation"`
		BridgeID          string          `json:"bridge_id"`
		ExternalRoomID    string          `json:"external_room_id"`
		ExternalMessageID string          `json:"external_message_id,omitempty"`
		Priority          tasks.Priority  `json:"priority,omitempty"`
		CorrelationID     string          `json:"correlation_id,omitempty"`
		Payload           string          `json:"payload"`
	}{e.Operation, e.BridgeID, e.ExternalRoomID, e.ExternalMessageID, e.Priority, e.CorrelationID, ""}
	if m := e.Payload.Media; m != nil {
		shown.Payload = string(m.Kind)
	} else {
		shown.Payload = fmt.Sprintf("a text of %d bytes", len(e.Payload.Text))
	}
	encoded, err := json.Marshal(shown)
	if err != nil {
		return "an envelope that cannot be shown"
	}
	return string(encoded)
}
