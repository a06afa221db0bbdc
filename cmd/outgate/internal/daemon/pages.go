package daemon

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/outgate/outgate/cmd/outgate/internal/human"
	"github.com/outgate/outgate/cmd/outgate/internal/listen"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/handlers/page"
)

// pages are the ops pages of a gateway.
type pages struct {
	// token guards all but the health pages; empty guards nothing.
	token string
	// ready is nil where the gateway can do its work.
	ready   func(context.Context) error
	metrics http.Handler
	monitor http.Handler
	// ops is what the operator's page stands on.
	ops *api.API
	// version is that of the program.
	version string
	// more are pages of their own, by path.
	more map[string]http.Handler
}

// readyPatience is how long Redis may take to answer for readyz.
const readyPatience = 2 * time.Second

func (p pages) handler() http.Handler {
	guarded := http.NewServeMux()
	guarded.Handle("GET /metrics", p.metrics)
	guarded.Handle(monitorRoot+"/", p.monitor)
	operator := page.New(page.Config{API: p.ops, Version: p.version})
	guarded.Handle("GET /{$}", operator)
	guarded.Handle("GET /assets/", operator)
	guarded.Handle(api.Root+"/", p.ops)
	for path, page := range p.more {
		guarded.Handle("GET "+path, page)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "alive") })
	mux.HandleFunc("GET /readyz", p.readyz)
	// Whatever is not there is behind the token too.
	mux.Handle("/", p.guard(guarded))
	return mux
}

func (p pages) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyPatience)
	defer cancel()
	if err := p.ready(ctx); err != nil {
		http.Error(w, "not ready: "+human.OneLine(err.Error()), http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintln(w, "ready")
}

// guard lets only those in who know the token: as a bearer, or as the password of
// any user, as browsers ask for it. Without a token only this machine reaches the
// pages; then whoever asks has to call it by such a name, or a page of the web whose
// own name was made to point here could ask with its visitor's browser.
func (p pages) guard(next http.Handler) http.Handler {
	if p.token == "" {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !calledLoopback(r.Host) {
				http.Error(w, "call this machine 127.0.0.1 or localhost, or set http.token", http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	want := sha256.Sum256([]byte(p.token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			_, given, _ = r.BasicAuth()
		}
		got := sha256.Sum256([]byte(given))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="outgate", charset="UTF-8"`)
			http.Error(w, "this page needs the token (http.token)", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// calledLoopback is true for a Host that names this machine alone.
func calledLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return listen.IsLoopback(strings.Trim(host, "[]"))
}

// newServer bounds how long a caller may take.
func newServer(h http.Handler, log *zap.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: zap.NewStdLog(log.Named("http")),
	}
}
