package telegramfake

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
)

const (
	maxPhoto = 10 << 20
	maxFile  = 50 << 20
	// maxBody leaves room for the rest of a form.
	maxBody = maxFile + 1<<20
)

// query is the parameters of a request: strings as they are, anything else as
// JSON, and the files of a form.
type query struct {
	values map[string]string
	files  map[string]file
}

type file struct {
	name string
	size int64
}

// readQuery reads the parameters from the URL, and from a form or JSON. A body of
// another type has none.
func readQuery(w http.ResponseWriter, r *http.Request) (query, *fault) {
	q := query{values: make(map[string]string), files: make(map[string]file)}
	for name := range r.URL.Query() {
		q.values[name] = r.URL.Query().Get(name)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	mediaType, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	var err error
	switch mediaType {
	case "application/json":
		err = q.readJSON(r.Body)
	case "multipart/form-data":
		err = q.readForm(multipart.NewReader(r.Body, params["boundary"]))
	case "application/x-www-form-urlencoded":
		if err = r.ParseForm(); err == nil {
			for name := range r.PostForm {
				q.values[name] = r.PostForm.Get(name)
			}
		}
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return q, &fault{code: http.StatusRequestEntityTooLarge, text: "Request Entity Too Large"}
	}
	if err != nil {
		return q, badRequest("can't parse the request")
	}
	return q, nil
}

func (q *query) readJSON(body io.Reader) error {
	var members map[string]json.RawMessage
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &members); err != nil {
		return err
	}
	for name, raw := range members {
		var s string
		switch {
		case bytes.Equal(raw, []byte("null")):
		case json.Unmarshal(raw, &s) == nil:
			q.values[name] = s
		default:
			q.values[name] = string(raw)
		}
	}
	return nil
}

// readForm keeps the fields, and counts the bytes of the files.
func (q *query) readForm(form *multipart.Reader) error {
	for {
		p, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if p.FileName() != "" {
			n, err := io.Copy(io.Discard, p)
			if err != nil {
				return err
			}
			q.files[p.FormName()] = file{p.FileName(), n}
			continue
		}
		b, err := io.ReadAll(p)
		if err != nil {
			return err
		}
		q.values[p.FormName()] = string(b)
	}
}

// object reads a parameter that is JSON; one that is none is as if it were not
// there.
func (q *query) object(name string, v any) {
	_ = json.Unmarshal([]byte(q.values[name]), v)
}

// number is a parameter that is a number, 0 for none.
func (q *query) number(name string) int64 {
	n, _ := strconv.ParseInt(q.values[name], 10, 64)
	return n
}
