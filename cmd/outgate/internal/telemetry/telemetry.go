package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/outgate/outgate/cmd/outgate/internal/human"
	"github.com/outgate/outgate/cmd/outgate/internal/listen"
)

// The environment variables that turn on traces and profiles. The standard OTEL_
// variables set everything else about traces: sampler, headers, timeout, certificates.
const (
	envEndpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	envTraces   = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	envProtocol = "OTEL_EXPORTER_OTLP_PROTOCOL"
	envDisabled = "OTEL_SDK_DISABLED"
	envPprof    = "OUTGATE_PPROF_ADDR"
)

// EnvError says what is wrong with an environment variable.
type EnvError struct{ Name, Why string }

// Error implements error.
func (e *EnvError) Error() string { return e.Name + ": " + e.Why }

// Signals are the traces and the profiles of a process.
type Signals struct {
	// provider is nil if tracing is off.
	provider *sdktrace.TracerProvider
	// profiles is nil if profiles are off.
	profiles net.Listener
}

// New reads the environment and opens the listener of the profiles. It does not connect
// to the receiver of spans yet.
func New(ctx context.Context, env func(string) string, version string, log *zap.Logger) (*Signals, error) {
	t := new(Signals)
	var err error
	if t.provider, err = newTracing(ctx, env, version, log); err != nil {
		return nil, err
	}
	if addr := env(envPprof); addr != "" {
		if t.profiles, err = listenForProfiles(ctx, addr); err != nil {
			return nil, errors.Join(err, t.Close(ctx))
		}
		log.Info("pprof.listening", zap.Stringer("addr", t.profiles.Addr()))
	}
	return t, nil
}

// tracesURL is the URL of the receiver of spans; empty means that tracing is off.
func tracesURL(env func(string) string) (string, error) {
	name, address := envTraces, env(envTraces)
	if address == "" {
		name, address = envEndpoint, env(envEndpoint)
	}
	if address == "" || strings.EqualFold(env(envDisabled), "true") {
		return "", nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", &EnvError{name, "want the http:// or https:// URL of an OTLP receiver, for example http://127.0.0.1:4318"}
	}
	if p := env(envProtocol); p != "" && p != "http/protobuf" {
		return "", &EnvError{envProtocol, fmt.Sprintf("got %q, want http/protobuf, the only protocol that outgate supports", p)}
	}
	if name == envEndpoint {
		u = u.JoinPath("v1", "traces")
	}
	return u.String(), nil
}

// newTracing returns nil if tracing is off.
func newTracing(ctx context.Context, env func(string) string, version string, log *zap.Logger) (*sdktrace.TracerProvider, error) {
	exporter, err := NewExporter(ctx, env)
	if err != nil || exporter == nil {
		return nil, err
	}
	otel.SetErrorHandler(&traceTrouble{log: log})
	log.Info("traces.exporting", zap.String("service", "outgate"))
	return NewProvider(ctx, exporter, version)
}

// TracerName is the name of the instrumentation scope.
const TracerName = "github.com/outgate/outgate"

// NewExporter returns nil if tracing is off.
func NewExporter(ctx context.Context, env func(string) string, options ...otlptracehttp.Option) (sdktrace.SpanExporter, error) {
	address, err := tracesURL(env)
	if err != nil || address == "" {
		return nil, err
	}
	exporter, err := otlptracehttp.New(ctx, append(options, otlptracehttp.WithEndpointURL(address))...)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	return exporter, nil
}

// NewProvider returns a provider that exports its spans in batches.
func NewProvider(ctx context.Context, exporter sdktrace.SpanExporter, version string) (*sdktrace.TracerProvider, error) {
	// The environment comes last, so its attributes override ours.
	about, err := resource.New(ctx,
		resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(attribute.String("service.name", "outgate"), attribute.String("service.version", version)),
		resource.WithFromEnv(),
	)
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("traces: %w", err)
	}
	return sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about)), nil
}

// traceTrouble logs lost spans once a minute, so that a receiver that does not answer
// cannot fill the log.
type traceTrouble struct {
	log  *zap.Logger
	last atomic.Int64
}

// Handle implements otel.ErrorHandler.
func (t *traceTrouble) Handle(err error) {
	now, last := time.Now().Unix(), t.last.Load()
	if now-last >= 60 && t.last.CompareAndSwap(last, now) {
		t.log.Warn("traces.lost", zap.String("error", human.OneLine(err.Error())))
	}
}

// listenForProfiles opens a loopback address. Profiles contain data from memory and cost
// processor time, so other machines must not reach them.
func listenForProfiles(ctx context.Context, addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil || !listen.IsLoopback(host) {
		return nil, &EnvError{envPprof, fmt.Sprintf("got %q, want a loopback host:port, for example 127.0.0.1:6060", addr)}
	}
	return listen.TCP(ctx, addr, envPprof)
}

// profilesHandler serves Go's profiles. It refuses DNS rebinding: a page under another
// host name must not reach them.
func profilesHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !listen.IsLoopback(strings.Trim(host, "[]")) {
			http.Error(w, "profiles are served to a loopback host name only, for example 127.0.0.1", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// Tracer makes the spans of this process; nil if tracing is off.
func (t *Signals) Tracer() trace.Tracer {
	if t.provider == nil {
		return nil
	}
	return t.provider.Tracer(TracerName)
}

// Serve serves the profiles until Close.
func (t *Signals) Serve() {
	if t.profiles == nil {
		return
	}
	// There is no write timeout: the client chooses how long a profile takes.
	server := &http.Server{Handler: profilesHandler(), ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10}
	go func() { _ = server.Serve(t.profiles) }()
}

// Close sends the remaining spans, for five seconds at most.
func (t *Signals) Close(ctx context.Context) error {
	if t.profiles != nil {
		_ = t.profiles.Close()
	}
	if t.provider == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return t.provider.Shutdown(ctx)
}
