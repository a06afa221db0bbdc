package httpsend_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/outgate/outgate/handlers/httpsend"
)

func content(s string) *httpsend.Content {
	return &httpsend.Content{Size: int64(len(s)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(s)), nil
	}}
}

func TestFormArrivesWithItsLengthAndItsParts(t *testing.T) {
	type form struct {
		length                  int64
		name, json, file, title string
		err                     error
	}
	got := make(chan form, 1)
	u, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		f := form{length: r.ContentLength}
		if f.err = r.ParseMultipartForm(1 << 20); f.err == nil {
			f.json, f.title = r.FormValue("payload_json"), r.MultipartForm.File["files[0]"][0].Header.Get("Content-Type")
			f.name = r.MultipartForm.File["files[0]"][0].Filename
			file, err := r.MultipartForm.File["files[0]"][0].Open()
			if f.err = err; err == nil {
				b, _ := io.ReadAll(file)
				f.file = string(b)
			}
		}
		got <- f
	})
	kind, body, err := httpsend.Form(
		httpsend.Part{Name: "payload_json", Value: `{"a":1}`, MediaType: "application/json"},
		httpsend.Part{Name: "files[0]", Filename: `a"b.png`, MediaType: "image/png", Content: content("PNG")},
	)
	if err != nil {
		t.Fatal(err)
	}
	s := sender(t, httpsend.Config{Channel: "test", AllowPrivate: true})
	if _, err := s.Do(t.Context(), httpsend.Request{
		Op: "post", Method: "POST", URL: u, Content: body, Header: http.Header{"Content-Type": {kind}},
	}); err != nil {
		t.Fatal(err)
	}
	want := form{length: body.Size, name: `a"b.png`, json: `{"a":1}`, file: "PNG", title: "image/png"}
	if f := <-got; f != want {
		t.Errorf("got %+v, want %+v", f, want)
	}
}

func TestContentThatFailsIsAnError(t *testing.T) {
	u, _ := serve(t, func(http.ResponseWriter, *http.Request) {})
	s := sender(t, httpsend.Config{Channel: "test", AllowPrivate: true})
	for name, c := range map[string]*httpsend.Content{
		"fails to open":     {Size: 3, Open: func() (io.ReadCloser, error) { return nil, io.ErrNoProgress }},
		"shorter than Size": {Size: 9, Open: content("PNG").Open},
	} {
		if _, err := s.Do(t.Context(), httpsend.Request{Op: "post", Method: "POST", URL: u, Content: c}); err == nil {
			t.Errorf("%s: got no error, want one", name)
		}
	}
	if _, err := s.Do(t.Context(), httpsend.Request{Op: "post", Method: "POST", URL: u, Content: content("")}); err != nil {
		t.Errorf("got error %v for an empty content, want none", err)
	}
}
