package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"
)

// pages are the ops pages of a gateway.
type pages struct {
	// token guards all but the health pages; empty guards nothing.
	token string
	// ready is nil where the gateway can do its work.
	ready   func(context.Context) error
	metrics http.Handler
	monitor http.Handler
	// more are pages of their own, by path.
	more map[string]http.Handler
}

// readyPatience is how long Redis may take to answer for readyz.
const readyPatience = 2 * time.Second

func (p pages) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "alive") })
	mux.HandleFunc("GET /readyz", p.readyz)
	mux.Handle("GET /metrics", p.guard(p.metrics))
	mux.Handle(monitorRoot+"/", p.guard(p.monitor))
	mux.Handle("GET /{$}", p.guard(http.HandlerFunc(p.index)))
	for path, page := range p.more {
		mux.Handle("GET "+path, p.guard(page))
	}
	return mux
}

func (p pages) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyPatience)
	defer cancel()
	if err := p.ready(ctx); err != nil {
		http.Error(w, "not ready: "+oneLine(err.Error()), http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintln(w, "ready")
}

// guard lets only those in who know the token: as a bearer, or as the password of
// any user, as browsers ask for it.
func (p pages) guard(next http.Handler) http.Handler {
	if p.token == "" {
		return next
	}
	want := sha256.Sum256([]byte(p.token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !isBearer {
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

var indexPage = template.Must(template.New("index").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>outgate</title>
<style>body{font:16px/1.6 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem}</style>
<h1>outgate</h1><p>{{.Version}}</p><ul>
{{range .Links}}<li><a href="{{.Path}}">{{.Path}}</a> {{.What}}
{{end}}</ul></html>
`))

type link struct{ Path, What string }

func (p pages) index(w http.ResponseWriter, _ *http.Request) {
	links := []link{
		{monitorRoot + "/", "the partitions' queues and tasks, as asynq has them"},
		{"/metrics", "figures for Prometheus"},
		{"/readyz", "whether this process can do its work"},
		{"/healthz", "whether it is alive"},
	}
	for path := range p.more {
		links = append(links, link{path, ""})
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = indexPage.Execute(w, struct {
		Version string
		Links   []link
	}{thisBuild().Version, links})
}

// newServer bounds how long a caller may take.
func newServer(h http.Handler, log *zap.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: zap.NewStdLog(log.Named("http")),
	}
}
