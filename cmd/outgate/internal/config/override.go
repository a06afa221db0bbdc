package config

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// Override is a value that counts for more than the file's: a flag's, or a
// variable's of the environment. Only texts can be overridden.
type Override struct {
	// Path is the key, "http.addr" for instance.
	Path string
	// Source names the flag or the variable, for faults.
	Source string
	Value  string
}

// override puts the overrides of this section over what the file says.
func (s *section) override() {
	for _, o := range s.doc.overrides {
		path, key := "", o.Path
		if i := strings.LastIndexByte(o.Path, '.'); i >= 0 {
			path, key = o.Path[:i], o.Path[i+1:]
		}
		if path != s.path {
			continue
		}
		delete(s.values, key+fileSuffix)
		s.values[key] = entry{
			key:   &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key},
			value: &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: o.Value},
		}
	}
}
