package httpsend

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
)

// redacted replaces a secret.
const redacted = "[redacted]"

// newRedactor replaces the secrets, also in the forms that a provider writes them in a URL
// or in JSON.
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
	// The first match wins, so the longest secret must come first.
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(forms))
	for _, f := range forms {
		pairs = append(pairs, f, redacted)
	}
	return strings.NewReplacer(pairs...)
}

// Redact replaces every secret in a text.
func (s *Sender) Redact(text string) string { return s.redactor.Replace(text) }

// clean returns the error itself, unless its text holds a secret: then only the redacted
// text is left, since the wrapped errors would still hold the secret.
func (s *Sender) clean(err error) error {
	text := err.Error()
	if clean := s.Redact(text); clean != text {
		return errors.New(clean)
	}
	return err
}
