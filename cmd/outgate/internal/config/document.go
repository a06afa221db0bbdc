package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/outgate/outgate/handlers/provider"
)

// document is one configuration file being read. It collects every fault rather
// than stop at the first.
type document struct {
	file string
	// dir is the folder that files with secrets are relative to.
	dir      string
	env      func(string) string
	channels map[string]provider.Spec
	// keys are those that any of the channels takes.
	keys []provider.Key
	// overrides count for more than the file.
	overrides []Override
	faults    []Fault
}

// fault records one fault. Positions start at 1, also where YAML knows none.
func (d *document) fault(line, column int, path, format string, args ...any) {
	for _, o := range d.overrides {
		if o.Path == path {
			d.faults = append(d.faults, Fault{File: o.Source, Path: path, Why: fmt.Sprintf(format, args...)})
			return
		}
	}
	d.faults = append(d.faults, Fault{
		File: d.file, Line: max(line, 1), Column: max(column, 1), Path: path,
		Why: fmt.Sprintf(format, args...),
	})
}

// parse reads the text and hands its root to read, unless it is no YAML. An
// empty file is an empty root.
func (d *document) parse(data []byte, read func(root *section)) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, next yaml.Node
	if err := decoder.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		d.syntax(data, err)
		return
	}
	switch err := decoder.Decode(&next); {
	case err == nil:
		d.fault(next.Line, next.Column, "", "a second document; a configuration is one")
	case !errors.Is(err, io.EOF):
		d.syntax(data, err)
	}
	var root *yaml.Node
	if len(doc.Content) > 0 {
		root = doc.Content[0]
	}
	d.section(root, section{line: 1, column: 1}, "", read)
}

// section is one mapping of the file. Whoever reads it asks for each key there
// may be; what was not asked for is unknown.
type section struct {
	doc  *document
	path string
	// line and column are where the mapping is, or would be.
	line, column int
	values       map[string]entry
	asked        []string
}

// entry is a key and its value.
type entry struct{ key, value *yaml.Node }

// section reads a mapping, or nothing if the node is nil, and then reports the
// keys nobody asked for.
func (d *document) section(node *yaml.Node, parent section, path string, read func(*section)) {
	s := &section{doc: d, path: path, line: parent.line, column: parent.column, values: make(map[string]entry)}
	node = given(node)
	if node != nil {
		s.line, s.column = node.Line, node.Column
		if node.Kind != yaml.MappingNode {
			d.fault(s.line, s.column, path, "want a mapping of keys to values")
			return
		}
		s.fill(node)
	}
	s.override()
	read(s)
	s.reportUnknown(node)
}

// given is the node an alias stands for, and nil for a node without a value.
func given(node *yaml.Node) *yaml.Node {
	if node != nil && node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node == nil || node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" {
		return nil
	}
	return node
}

func (s *section) fill(node *yaml.Node) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if first, twice := s.values[key.Value]; twice {
			s.doc.fault(key.Line, key.Column, s.join(key.Value), "given twice, first in line %d", first.key.Line)
			continue
		}
		s.values[key.Value] = entry{key, value}
	}
}

func (s *section) reportUnknown(node *yaml.Node) {
	if node == nil {
		return
	}
	asked := make(map[string]bool, len(s.asked))
	for _, name := range s.asked {
		asked[name] = true
	}
	for name, e := range s.values {
		if asked[name] {
			continue
		}
		hint := "known here are " + strings.Join(s.asked, ", ")
		if near := nearest(name, s.asked); near != "" {
			hint = fmt.Sprintf("did you mean %s?", near)
		}
		s.doc.fault(e.key.Line, e.key.Column, s.join(name), "unknown key; %s", hint)
	}
}

// get is the value of a key, nil if there is none.
func (s *section) get(key string) *yaml.Node {
	if !slices.Contains(s.asked, key) {
		s.asked = append(s.asked, key)
	}
	return given(s.values[key].value)
}

// fault reports a fault of a key: where its value is, or where the section is if
// it has none.
func (s *section) fault(key, format string, args ...any) {
	line, column := s.line, s.column
	if e, ok := s.values[key]; ok {
		line, column = e.key.Line, e.key.Column
		if value := given(e.value); value != nil {
			line, column = value.Line, value.Column
		}
	}
	s.doc.fault(line, column, s.join(key), format, args...)
}

// has is true if the key or its twin has a value; an empty text is none.
func (s *section) has(key string) bool { return s.holds(key) || s.holds(key+fileSuffix) }

func (s *section) holds(key string) bool {
	node := given(s.values[key].value)
	return node != nil && (node.Kind != yaml.ScalarNode || node.Value != "")
}

// either is the first of two keys, or the second if only that has a value.
func (s *section) either(first, second string) string {
	if !s.holds(first) && s.holds(second) {
		return second
	}
	return first
}

// section reads the mapping under a key.
func (s *section) section(key string, read func(*section)) {
	s.doc.section(s.get(key), *s, s.join(key), read)
}

// list reads the mappings of the list under a key.
func (s *section) list(key string, read func(i int, item *section)) {
	node := s.get(key)
	if node == nil {
		return
	}
	if node.Kind != yaml.SequenceNode {
		s.fault(key, "want a list")
		return
	}
	for i, item := range node.Content {
		at := section{line: item.Line, column: item.Column}
		s.doc.section(item, at, fmt.Sprintf("%s[%d]", s.join(key), i), func(item *section) { read(i, item) })
	}
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// join is the path of a key.
func (s *section) join(key string) string {
	if !plainKey.MatchString(key) {
		key = quote(key)
	}
	if s.path == "" {
		return key
	}
	return s.path + "." + key
}

// quote quotes a value for a fault, and bounds it.
func quote(value string) string {
	const most = 64
	if len(value) > most {
		return strconv.Quote(value[:most]) + "…"
	}
	return strconv.Quote(value)
}
