package daemon

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/handlers/gatewaytest"
)

func TestShownPayloadTellsWhereItGoesAndNotWhatItSays(t *testing.T) {
	for payload, want := range map[string]string{
		`{"operation":"edit","bridge_id":"b","external_room_id":"r","external_message_id":"7","payload":"secret","correlation_id":"c"}`:                                   `{"operation":"edit","bridge_id":"b","external_room_id":"r","external_message_id":"7","correlation_id":"c","payload":"a text of 6 bytes"}`,
		`{"operation":"send_media","bridge_id":"b","external_room_id":"r","priority":"high","payload":{"kind":"image","url":"https://e.com/?secret","caption":"secret"}}`: `{"operation":"send_media","bridge_id":"b","external_room_id":"r","priority":"high","payload":"image"}`,
		`secret`: "6 bytes that are no envelope",
	} {
		if got := shownPayload("", []byte(payload)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestAsynqmonShowsNoTexts(t *testing.T) {
	s := outgatetest.New(t, "bridges: [{id: b, channel: sandbox}]")
	s.Enqueue(gatewaytest.Text("b", "r1", "a secret"))
	cfg := *s.Config
	cfg.Redis.URL = config.NewSecretURL(s.URL() + "/0")
	m := newMonitor(&cfg)
	t.Cleanup(func() { _ = m.Close() })
	var body strings.Builder
	for _, queue := range []string{"outbound-000", "outbound-001"} {
		_, page := fetch(t, m, monitorRoot+"/api/queues/"+queue+"/pending_tasks")
		body.WriteString(page)
	}
	if !strings.Contains(body.String(), "a text of 8 bytes") || strings.Contains(body.String(), "secret") {
		t.Errorf("asynqmon answers %s", &body)
	}
}

// fetch asks a handler.
func fetch(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
	return w.Code, w.Body.String()
}
