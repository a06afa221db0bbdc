package httpsend

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
)

// redacted stands in the place of a secret.
const redacted = "[redacted]"

// newRedactor replaces the secrets as they are, and as a provider that quotes
// them in a URL or in JSON writes them.
func newRedactor(secrets []string) *strings.Replacer {
	var forms []string
	for _, s := range secrets {
		if s == "" {
			continue
		}
		quoted, _ := json.Marshal(s)
		inJSON := string(quoted[1 : len(quoted)-1])
		forms = append(forms, s, url.QueryEscape(s), url.PathEscape(s), inJSON, strings.ReplaceAll(inJSON, "/", `\/`))
	}
	// The first of several that fit is replaced: the longest must come first.
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(forms))
	for _, f := range forms {
		pairs = append(pairs, f, redacted)
	}
	return strings.NewReplacer(pairs...)
}

// Redact replaces every secret in a text.
func (s *Sender) Redact(text string) string { return s.redactor.Replace(text) }

// clean keeps an error as it is, unless a secret stands in its text: then the
// redacted text is all that is left, since the causes below would still tell it.
func (s *Sender) clean(err error) error {
	text := err.Error()
	if clean := s.Redact(text); clean != text {
		return errors.New(clean)
	}
	return err
}
