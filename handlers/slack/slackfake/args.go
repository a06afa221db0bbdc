package slackfake

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
)

// maxArgs bounds the arguments of a method.
const maxArgs = 1 << 20

// args are the arguments of a method: texts as they are, all else as JSON.
type args struct {
	values map[string]string
	json   bool
}

// readArgs takes the arguments from a request, or answers the code of an error.
func readArgs(r *http.Request) (args, string) {
	a := args{values: make(map[string]string)}
	r.Body = http.MaxBytesReader(nil, r.Body, maxArgs)
	given := r.Header.Get("Content-Type")
	kind, _, err := mime.ParseMediaType(given)
	switch {
	case r.Method == http.MethodGet || kind == "application/x-www-form-urlencoded":
		if r.ParseForm() != nil {
			return a, "invalid_form_data"
		}
		for name := range r.Form {
			a.values[name] = r.Form.Get(name)
		}
		return a, ""
	case given == "":
		return a, "missing_post_type"
	case err != nil || kind != "application/json":
		return a, "invalid_post_type"
	}
	a.json = true
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return a, "request_timeout"
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return a, "invalid_json"
	}
	for name, value := range fields {
		var text string
		if json.Unmarshal(value, &text) != nil {
			text = string(value)
		}
		a.values[name] = text
	}
	return a, ""
}

// text is an argument, empty where it is not given.
func (a args) text(name string) string { return a.values[name] }

// has is true for an argument that is given, even an empty one.
func (a args) has(name string) bool {
	_, ok := a.values[name]
	return ok
}

// is reads a boolean argument.
func (a args) is(name string, otherwise bool) bool {
	switch a.values[name] {
	case "true", "1":
		return true
	case "false", "0":
		return false
	}
	return otherwise
}

// object reads an argument that is JSON; the answer is false for one that is not.
func (a args) object(name string, to any) bool {
	return json.Unmarshal([]byte(a.values[name]), to) == nil
}
