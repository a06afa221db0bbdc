package tasks

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
)

// object reads the fields of one JSON object, each by its name and its type. It
// remembers the first fault, and a field nobody took is an unknown one.
type object struct {
	path   string // what stands before the names of the fields in an error
	fields []field
	err    error
}

type field struct {
	name  []byte
	raw   []byte
	taken bool
}

// readObject splits data, one value of valid JSON, into its fields. self is its
// name in an error.
func readObject(self, path string, data []byte) object {
	o := object{path: path, fields: make([]field, 0, 10)}
	i := skipSpace(data, 0)
	if data[i] != '{' {
		o.err = &InvalidError{Field: self, Why: "must be an object"}
		return o
	}
	for i = skipSpace(data, i+1); data[i] != '}'; i = skipSpace(data, i) {
		end := skipString(data, i)
		name := data[i+1 : end-1]
		if plain, ok := unescape(name); ok {
			name = plain
		}
		i = skipSpace(data, end) // the colon
		i = skipSpace(data, i+1) // the value
		end = skipValue(data, i)
		o.fields = append(o.fields, field{name: name, raw: data[i:end]})
		if i = skipSpace(data, end); data[i] == ',' {
			i++
		}
	}
	return o
}

// take returns the raw value of a field, the last one of duplicates; nil if it
// is absent or null.
func (o *object) take(name string) []byte {
	var raw []byte
	for i := range o.fields {
		if f := &o.fields[i]; string(f.name) == name {
			f.taken, raw = true, f.raw
		}
	}
	if len(raw) > 0 && raw[0] == 'n' {
		return nil
	}
	return raw
}

// text is a string that, if it is there, is not empty.
func (o *object) text(name string) string {
	return o.filled(name, "must be a string")
}

// identifier is a text that people are tempted to write as a number.
func (o *object) identifier(name string) string {
	return o.filled(name, "must be a string, a number would lose digits")
}

func (o *object) filled(name, ifNumber string) string {
	s, ok := o.str(name, ifNumber)
	o.that(!ok || s != "", name, "must not be empty")
	return s
}

// optional is a string where empty is as good as absent.
func (o *object) optional(name string) string {
	s, _ := o.str(name, "must be a string")
	return s
}

// str is false if the field is absent or faulty.
func (o *object) str(name, ifNumber string) (string, bool) {
	raw := o.take(name)
	switch {
	case raw == nil:
		return "", false
	case raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9':
		o.fail(name, ifNumber)
		return "", false
	case raw[0] != '"':
		o.fail(name, "must be a string")
		return "", false
	}
	s, ok := unescape(raw[1 : len(raw)-1])
	o.that(ok, name, notUTF16)
	return string(s), ok
}

// positive is 0 if the field is absent or faulty.
func (o *object) positive(name string) int64 {
	raw := o.take(name)
	if raw == nil {
		return 0
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	switch {
	case errors.Is(err, strconv.ErrSyntax):
		o.fail(name, "must be an integer")
		return 0
	case n <= 0:
		o.fail(name, notPositive)
		return 0
	}
	return n // Validate looks whether it is too large
}

func (o *object) boolean(name string) bool {
	raw := o.take(name)
	if raw == nil {
		return false
	}
	o.that(raw[0] == 't' || raw[0] == 'f', name, "must be true or false")
	return raw[0] == 't'
}

// carried is a value that is passed on untouched; Validate looks into it.
func (o *object) carried(name string) json.RawMessage {
	return bytes.Clone(o.take(name))
}

func (o *object) that(ok bool, name, why string) {
	if !ok {
		o.fail(name, why)
	}
}

func (o *object) fail(name, why string) {
	o.adopt(&InvalidError{Field: o.path + name, Why: why})
}

func (o *object) adopt(err error) {
	if o.err == nil {
		o.err = err
	}
}

// done returns the first fault; an unknown field comes after all others, and of
// several the first in byte order.
func (o *object) done() error {
	if o.err != nil {
		return o.err
	}
	var unknown []byte
	for _, f := range o.fields {
		if !f.taken && (unknown == nil || bytes.Compare(f.name, unknown) < 0) {
			unknown = f.name
		}
	}
	if unknown != nil {
		o.fail(printableName(unknown), "is not a field of an envelope")
	}
	return o.err
}

// printableName quotes and bounds a name that came from outside.
func printableName(name []byte) string {
	const most = 64
	plain := len(name) > 0 && len(name) <= most
	for _, c := range name {
		plain = plain && isWord(c)
	}
	if plain {
		return string(name)
	}
	return strconv.QuoteToASCII(string(name[:min(len(name), most)]))
}
