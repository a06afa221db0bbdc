package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
)

// fileSuffix makes the twin of a key: a file that holds its value.
const fileSuffix = "_file"

// maxSecretFile bounds a file that holds a value.
const maxSecretFile = 64 << 10

// credential reads a text that may hold ${VARIABLES}, or lie in a file under
// key_file. An empty text or file name counts as none. It never quotes a value.
func (s *section) credential(key string, to *string) bool {
	var text, file string
	textOK, fileOK := s.text(key, &text), s.text(key+fileSuffix, &file)
	if !textOK || !fileOK {
		return false
	}
	var why string
	switch {
	case text == "" && file == "":
		return true
	case text != "" && file != "":
		s.fault(key+fileSuffix, "give either %s or %s", key, key+fileSuffix)
		return false
	case text != "":
		text, why = expand(text, s.doc.env)
	default:
		text, why = s.doc.readFile(file)
	}
	if why == "" && strings.ContainsFunc(text, unicode.IsControl) {
		why = "holds a control character"
	}
	if why != "" {
		s.fault(s.source(key), "%s", why)
		return false
	}
	*to = text
	return true
}

// source is the key or its twin, whichever has the value.
func (s *section) source(key string) string { return s.either(key, key+fileSuffix) }

func (s *section) secret(key string, to *Secret) bool {
	text := to.Reveal()
	ok := s.credential(key, &text)
	to.hidden = hide(text)
	return ok
}

// secretURL reads an address of one of these schemes that may hold a secret.
func (s *section) secretURL(key string, to *SecretURL, schemes ...string) {
	var text string
	if !s.credential(key, &text) {
		return
	}
	if text == "" {
		return
	}
	if why := faultOfURL(text, schemes...); why != "" {
		s.fault(s.source(key), "%s", why)
		return
	}
	to.hidden = hide(text)
}

var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// expand puts in the variables of the environment. What they hold is not
// expanded again.
func expand(text string, env func(string) string) (expanded, why string) {
	if strings.Count(text, "${") != len(variable.FindAllString(text, -1)) {
		return "", "a ${ that begins no ${VARIABLE}; a value that holds one belongs in a file"
	}
	var missing []string
	expanded = variable.ReplaceAllStringFunc(text, func(match string) string {
		name := match[2 : len(match)-1]
		value := env(name)
		if value == "" {
			missing = append(missing, name)
		}
		return value
	})
	if len(missing) > 0 {
		return "", "not set in the environment: " + strings.Join(missing, ", ")
	}
	return expanded, ""
}

// readFile reads a file that holds a value, less one line break at its end.
func (d *document) readFile(name string) (text, why string) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(d.dir, name)
	}
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return "", fmt.Sprintf("cannot read %s: %s", quote(name), cause(err))
	case !info.Mode().IsRegular():
		return "", fmt.Sprintf("%s is no regular file", quote(name))
	case info.Size() > maxSecretFile:
		return "", fmt.Sprintf("%s is larger than %d bytes", quote(name), maxSecretFile)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Sprintf("cannot read %s: %s", quote(name), cause(err))
	}
	text = strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if text == "" {
		return "", fmt.Sprintf("%s is empty", quote(name))
	}
	return text, ""
}

// cause is the error of the system, without the path.
func cause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
