package daemon

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"testing"

	"github.com/outgate/outgate/cmd/outgate/internal/channels"
	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/cmd/outgate/internal/listen"
	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/partition"
)

func TestAsynqmonMayWrite(t *testing.T) {
	s := outgatetest.New(t, "http: {asynqmon: write}")
	s.Config.Redis.URL = config.NewSecretURL(s.URL())
	m := newMonitor(s.Config)
	defer func() { _ = m.Close() }()
	post := func(header ...string) int {
		r := httptest.NewRequest("POST", "/asynqmon/api/queues/outbound-000:pause", nil)
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		m.ServeHTTP(w, r)
		return w.Code
	}
	if code := post("Sec-Fetch-Site", "cross-site"); code != 403 {
		t.Errorf("from another site: %d", code)
	}
	if code := post("Sec-Fetch-Site", "same-origin"); code != 204 {
		t.Errorf("from its own pages: %d", code)
	}
	if stats, err := partition.Inspect(t.Context(), s.Redis, s.Config.Scheme()); err != nil || !stats[0].Paused {
		t.Errorf("%+v, %v", stats, err)
	}
	if err, bad := redisAt("nonsense").MakeRedisClient().(error); !bad || err == nil {
		t.Error("a client of no address")
	}
}

func TestThePagesEndWithTheirListener(t *testing.T) {
	s := outgatetest.New(t, "")
	worker, err := channels.Worker(s.Config, NewLogger(config.Log{Level: "unknown"}, io.Discard), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	s.Config.Redis.URL = config.NewSecretURL(s.URL())
	g := New(s.Config, worker, s.Redis, worker.Log, "test")
	listener, err := listen.TCP(t.Context(), "127.0.0.1:0", "http.addr")
	if err != nil {
		t.Fatal(err)
	}
	err = g.Run(t.Context(), listener, nil, func(context.Context) error { return listener.Close() })
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v", err)
	}
	listener, err = listen.TCP(t.Context(), "127.0.0.1:0", "http.addr")
	if err != nil {
		t.Fatal(err)
	}
	wrong := errors.New("wrong")
	if err := g.Run(t.Context(), listener, nil, func(context.Context) error { return wrong }); !errors.Is(err, wrong) {
		t.Errorf("error %v", err)
	}
}
