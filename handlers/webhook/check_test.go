package webhook_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/webhook"
)

func TestCheckConnectsAndSendsNoRequest(t *testing.T) {
	url, got := receiver(t, nil)
	if err := channel(t, webhook.Config{URL: url + "/in/path-t0ken"}).Check(t.Context()); err != nil {
		t.Error(err)
	}
	if len(got) != 0 {
		t.Errorf("the receiver got %+v", <-got)
	}
}

func TestCheckFindsWhatIsInTheWay(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	away := "http://" + gone.Addr().String()
	_ = gone.Close()
	self := httptest.NewUnstartedServer(http.NotFoundHandler())
	self.StartTLS()
	t.Cleanup(self.Close)
	here, _ := receiver(t, nil)
	for name, tc := range map[string]struct {
		cfg  webhook.Config
		want classify.Reason
	}{
		"nobody listens":                   {webhook.Config{URL: away, AllowPrivate: true}, classify.ReasonConnectionFailed},
		"a certificate that nobody trusts": {webhook.Config{URL: self.URL, AllowPrivate: true}, classify.ReasonTLSFailed},
		"a private address":                {webhook.Config{URL: here}, classify.ReasonAddressForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			tc.cfg.URL += "/in/path-t0ken"
			c, err := webhook.New(tc.cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			err = c.Check(t.Context())
			if v := classify.Classify(err); v.Reason != tc.want || v.Ambiguous {
				t.Errorf("got %v: %+v", err, v)
			}
			if err != nil && strings.Contains(err.Error(), "path-t0ken") {
				t.Errorf("the secret path stands in %v", err)
			}
		})
	}
}

func TestCheckEndsWithItsContext(t *testing.T) {
	// Accepts a connection and never speaks TLS.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = channel(t, webhook.Config{URL: "https://" + silent.Addr().String()}).Check(ctx)
	if v := classify.Classify(err); v.Reason != classify.ReasonTimeout {
		t.Errorf("got %v: %+v", err, v)
	}
}
