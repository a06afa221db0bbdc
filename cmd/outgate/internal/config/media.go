package config

import (
	"regexp"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/outgate/outgate/tasks"
)

// Media says which media a bridge takes, and what becomes of the rest. It is
// written as a mapping, or as its Unsupported alone.
type Media struct {
	// Kinds and Types are taken; none is all. A type is "image/png" or "image/*".
	Kinds []tasks.MediaKind `yaml:"kinds,omitempty"`
	Types []string          `yaml:"types,omitempty"`
	// MaxBytes bounds one item.
	MaxBytes int `yaml:"max_bytes"`
	// FetchTimeout is how long fetching one may take.
	FetchTimeout time.Duration `yaml:"fetch_timeout"`
	// Unsupported is "reject" or "fallback_text".
	Unsupported string `yaml:"unsupported"`
}

var mediaTypeForm = regexp.MustCompile(`^[a-z0-9.+-]+/(\*|[a-zA-Z0-9.+_-]+)$`)

func (m *Media) read(s *section) {
	const key = "media_policy"
	if node := s.get(key); node == nil || node.Kind != yaml.MappingNode {
		s.oneOf(key, &m.Unsupported, "reject", "fallback_text")
		return
	}
	s.section(key, func(s *section) {
		s.words("kinds", func(word string) string {
			kind := tasks.MediaKind(word)
			switch kind {
			case tasks.Image, tasks.Audio, tasks.Video, tasks.File:
				m.Kinds = append(m.Kinds, kind)
				return ""
			}
			return quote(word) + " is none of image, audio, video, file"
		})
		s.words("types", func(word string) string {
			if !mediaTypeForm.MatchString(word) {
				return quote(word) + ` is no media type; want "image/png" or "image/*" for instance`
			}
			m.Types = append(m.Types, word)
			return ""
		})
		s.integer("max_bytes", &m.MaxBytes, 1, 10<<30)
		s.duration("fetch_timeout", &m.FetchTimeout, 100*time.Millisecond, 10*time.Minute)
		s.oneOf("unsupported", &m.Unsupported, "reject", "fallback_text")
	})
}

// words reads a list of words. take answers what is wrong with one, if anything is.
func (s *section) words(key string, take func(word string) string) {
	node := s.get(key)
	if node == nil {
		return
	}
	if node.Kind != yaml.SequenceNode {
		s.fault(key, "want a list")
		return
	}
	for _, item := range node.Content {
		word := ""
		if value := given(item); value != nil {
			word = value.Value
		}
		if why := take(word); why != "" {
			s.doc.fault(item.Line, item.Column, s.join(key), "%s", why)
		}
	}
}
