package config

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// The methods below read one value each. They leave the target as it is, at its
// default, where the key is absent or its value faulty, and return false for a
// faulty one.

// scalar is the text of a key whose value is a scalar with one of these tags.
func (s *section) scalar(key, want string, tags ...string) (text string, present, ok bool) {
	node := s.get(key)
	if node == nil {
		return "", false, true
	}
	if node.Kind != yaml.ScalarNode || !slices.Contains(tags, node.ShortTag()) {
		s.fault(key, "want %s", want)
		return "", true, false
	}
	return node.Value, true, true
}

func (s *section) boolean(key string, to *bool) bool {
	text, present, ok := s.scalar(key, "true or false", "!!bool")
	if !present || !ok {
		return ok
	}
	value, err := strconv.ParseBool(text)
	if err != nil {
		s.fault(key, "want true or false")
		return false
	}
	*to = value
	return true
}

func (s *section) integer(key string, to *int, least, most int) bool {
	text, present, ok := s.scalar(key, "an integer", "!!int")
	if !present || !ok {
		return ok
	}
	value, err := strconv.Atoi(text)
	if err != nil {
		s.fault(key, "%s is no decimal integer", quote(text))
		return false
	}
	if value < least || value > most {
		s.fault(key, "%d is not between %d and %d", value, least, most)
		return false
	}
	*to = value
	return true
}

// ratio reads a share: above 0, at most 1.
func (s *section) ratio(key string, to *float64) bool {
	text, present, ok := s.scalar(key, "a number above 0, at most 1", "!!float", "!!int")
	if !present || !ok {
		return ok
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(value) || value <= 0 || value > 1 {
		s.fault(key, "%s is not above 0 and at most 1", quote(text))
		return false
	}
	*to = value
	return true
}

func (s *section) duration(key string, to *time.Duration, least, most time.Duration) bool {
	const want = `want a duration with its unit: "500ms", "30s", "24h"`
	text, present, ok := s.scalar(key, "a duration with its unit", "!!str", "!!int", "!!float")
	if !present || !ok {
		return ok
	}
	value, err := time.ParseDuration(text)
	if err != nil {
		s.fault(key, "%s: %s", quote(text), want)
		return false
	}
	if value < least || value > most {
		s.fault(key, "%s is not between %s and %s", value, shortDuration(least), shortDuration(most))
		return false
	}
	*to = value
	return true
}

// shortDuration writes 24h rather than 24h0m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

const wantText = "a text; put numbers and the like in quotes"

// text reads a string as it is.
func (s *section) text(key string, to *string) bool {
	text, present, ok := s.scalar(key, wantText, "!!str")
	if present && ok {
		*to = text
	}
	return ok
}

// match reads a string of a certain form.
func (s *section) match(key string, to *string, form *regexp.Regexp, want string) bool {
	text, present, ok := s.scalar(key, wantText, "!!str")
	if !present || !ok {
		return ok
	}
	if !form.MatchString(text) {
		s.fault(key, "%s is not %s", quote(text), want)
		return false
	}
	*to = text
	return true
}

// oneOf reads a word of a closed set.
func (s *section) oneOf(key string, to *string, words ...string) {
	text, present, ok := s.scalar(key, "one of "+strings.Join(words, ", "), "!!str")
	if !present || !ok {
		return
	}
	if !slices.Contains(words, text) {
		s.fault(key, "%s is none of %s", quote(text), strings.Join(words, ", "))
		return
	}
	*to = text
}
