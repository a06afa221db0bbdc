package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Fault is why a request was not answered.
type Fault struct {
	// Status is the HTTP status.
	Status int `json:"-"`
	// Code is stable: invalid, not_found, forbidden, conflict, unavailable, internal,
	// method_not_allowed, unsupported_media_type.
	Code    string `json:"code"`
	Message string `json:"message"`
	// Field is the parameter that is wrong, empty where it is none.
	Field string `json:"field,omitempty"`
}

func (f *Fault) Error() string {
	if f.Field != "" {
		return f.Field + ": " + f.Message
	}
	return f.Message
}

func invalid(field, format string, args ...any) *Fault {
	return &Fault{Status: http.StatusBadRequest, Code: "invalid", Field: field, Message: fmt.Sprintf(format, args...)}
}

func missing(format string, args ...any) *Fault {
	return &Fault{Status: http.StatusNotFound, Code: "not_found", Message: fmt.Sprintf(format, args...)}
}

func conflict(format string, args ...any) *Fault {
	return &Fault{Status: http.StatusConflict, Code: "conflict", Message: fmt.Sprintf(format, args...)}
}

// faultOf is the fault that any error is told as. An error of Redis may name
// addresses: it is told in words of our own.
func faultOf(err error) *Fault {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	if errors.Is(err, context.Canceled) {
		return &Fault{Status: http.StatusServiceUnavailable, Code: "unavailable", Message: "the request was given up"}
	}
	return &Fault{Status: http.StatusServiceUnavailable, Code: "unavailable", Message: "Redis does not answer"}
}

// accepted is an answer with status 202: it goes on after the answer.
type accepted struct{ body any }

// answer writes what a handler returns.
func answer(h func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := h(r)
		if err != nil {
			writeFault(w, faultOf(err))
			return
		}
		if a, ok := body.(accepted); ok {
			write(w, http.StatusAccepted, a.body)
			return
		}
		write(w, http.StatusOK, body)
	})
}

func write(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error":{"code":"internal","message":"the answer cannot be written"}}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}

func writeFault(w http.ResponseWriter, f *Fault) {
	write(w, f.Status, struct {
		Error *Fault `json:"error"`
	}{f})
}

// refuse says in JSON what the mux says in text.
func refuse(h http.Handler, w http.ResponseWriter, r *http.Request) {
	mute := &muted{header: make(http.Header)}
	h.ServeHTTP(mute, r)
	if mute.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", mute.header.Get("Allow"))
		writeFault(w, &Fault{
			Status: mute.status, Code: "method_not_allowed", Message: "this path takes " + mute.header.Get("Allow"),
		})
		return
	}
	writeFault(w, missing("there is nothing at this path; docs/api/openapi.yaml lists them"))
}

// muted keeps the status and the headers of an answer.
type muted struct {
	header http.Header
	status int
}

func (m *muted) Header() http.Header         { return m.header }
func (m *muted) Write(b []byte) (int, error) { return len(b), nil }
func (m *muted) WriteHeader(status int)      { m.status = status }

// guard lets a request through that changes something: no form of another site's
// can send JSON, and no browser sends it across origins without asking first.
func (a *API) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.origins.Check(r); err != nil {
			writeFault(w, &Fault{
				Status: http.StatusForbidden, Code: "forbidden", Message: "the request comes from another origin",
			})
			return
		}
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			writeFault(w, &Fault{
				Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type", Field: "Content-Type",
				Message: "what changes something is sent as application/json",
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// query is the query of a request, with no name but those it may have, each once.
func query(r *http.Request, names ...string) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, invalid("", "the query cannot be read")
	}
	for name, v := range values {
		if !slices.Contains(names, name) {
			if len(names) == 0 {
				return nil, invalid(name, "this path takes no parameters")
			}
			return nil, invalid(name, "there is no such parameter; there are %s", strings.Join(names, ", "))
		}
		if len(v) > 1 {
			return nil, invalid(name, "is given %d times", len(v))
		}
	}
	return values, nil
}

const (
	defaultLimit = 50
	maxLimit     = 500
)

func limitOf(q url.Values) (int, error) {
	if !q.Has("limit") {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(q.Get("limit"))
	if err != nil || n < 1 || n > maxLimit {
		return 0, invalid("limit", "want a number from 1 to %d", maxLimit)
	}
	return n, nil
}

// partitionOf is the partition of a query, -1 where it names none.
func (a *API) partitionOf(q url.Values) (int, error) {
	if !q.Has("partition") {
		return -1, nil
	}
	n, err := strconv.Atoi(q.Get("partition"))
	if err != nil || n < 0 || n >= a.cfg.Scheme.Count {
		return 0, invalid("partition", "want a number from 0 to %d", a.cfg.Scheme.Count-1)
	}
	return n, nil
}

// jsonTypes are what the fields of a body are to whoever writes one.
var jsonTypes = map[reflect.Kind]string{
	reflect.String: "a string", reflect.Bool: "a boolean", reflect.Int: "an integer", reflect.Int64: "an integer", reflect.Struct: "an object",
}

// maxBody bounds the body of a request.
const maxBody = 64 << 10

// body reads the JSON body of a request; none is an empty object.
func body(r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	switch {
	case err == nil && d.More():
		return invalid("", "the body holds more than one JSON value")
	case err == nil || err.Error() == "EOF":
		return nil
	}
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return invalid(t.Field, "is of JSON's type %s, want %s", t.Value, jsonTypes[t.Type.Kind()])
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return invalid(strings.Trim(name, `"`), "there is no such field")
	}
	return invalid("", "the body is not JSON, or longer than %d bytes", maxBody)
}
