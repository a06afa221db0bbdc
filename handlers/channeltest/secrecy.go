package channeltest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"

	"github.com/outgate/outgate/classify"
)

// secrecy looks for the secrets in the error of every failure that can be had.
func secrecy(tb testing.TB, s *suite) {
	if len(s.Secrets) == 0 {
		tb.Error("got a harness without secrets, want those of the configuration. Look at Harness.Secrets")
	}
	failures := map[string]http.HandlerFunc{
		"echoes the request": func(w http.ResponseWriter, r *http.Request) {
			dump, _ := httputil.DumpRequest(r, true)
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write(dump)
		},
		"echoes the URL in JSON": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_ = json.NewEncoder(w).Encode(map[string]string{"error": "cannot " + r.Method + " " + r.RequestURI})
		},
		"echoes the URL as its status": func(w http.ResponseWriter, r *http.Request) {
			raw(w, "HTTP/1.1 "+strings.ReplaceAll(r.RequestURI, " ", "")+"\r\n\r\n")
		},
		"redirects to the same URL": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.RequestURI, http.StatusTemporaryRedirect)
		},
		"hangs up": func(w http.ResponseWriter, _ *http.Request) { raw(w, "") },
	}
	for name, answer := range failures {
		p := newServer(tb, answer)
		_, err := s.send(tb.Context(), s.build(tb, p.URL))
		s.wantSecrecy(tb, "a provider that "+name, err)
	}
	_, err := s.send(tb.Context(), s.build(tb, refusedURL(tb)))
	s.wantSecrecy(tb, "a provider that is away", err)
	for name, r := range s.Refusals {
		if asked, err := s.refused(tb, r); asked {
			s.wantSecrecy(tb, name, err)
		}
	}
}

// wantSecrecy checks that there is an error, and that it tells no secret.
func (s *suite) wantSecrecy(tb testing.TB, of string, err error) {
	tb.Helper()
	if err == nil {
		tb.Errorf("%s: got no error, want one", of)
	}
	s.wantSilence(tb, of, err)
}

// wantSilence checks that an error, if there is one, tells no secret.
func (s *suite) wantSilence(tb testing.TB, of string, err error) {
	tb.Helper()
	if err == nil {
		return
	}
	for _, text := range texts(err) {
		for _, secret := range s.Secrets {
			if strings.Contains(text, secret) {
				tb.Errorf("%s: got the secret %q in the error %s, want none. Look at what the channel puts into its errors", of, secret, text)
			}
		}
	}
}

// texts are all the ways an error may come to light: printed, as JSON, as a
// verdict, and each of its causes alone.
func texts(err error) []string {
	encoded, _ := json.Marshal(err)
	out := []string{
		fmt.Sprintf("%v", err), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err), string(encoded),
		fmt.Sprintf("%+v", classify.Classify(err)),
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			out = append(out, texts(e)...)
		}
	}
	if cause := errors.Unwrap(err); cause != nil {
		out = append(out, texts(cause)...)
	}
	return out
}
