package telemetry

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestADisabledSDKMakesNoSpans(t *testing.T) {
	env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}
	if url, err := tracesURL(func(name string) string { return env[name] }); url != "" || err != nil {
		t.Errorf("got URL %q, error %v; want neither", url, err)
	}
}

func TestProfilesRefuseDNSRebinding(t *testing.T) {
	rebound := httptest.NewRecorder()
	profilesHandler().ServeHTTP(rebound, httptest.NewRequest("GET", "http://rebound.example:6060/debug/pprof/heap", nil))
	if rebound.Code != http.StatusForbidden {
		t.Errorf("another host name: got %d, want 403", rebound.Code)
	}
}
