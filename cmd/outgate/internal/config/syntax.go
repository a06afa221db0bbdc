package config

import (
	"bytes"
	"errors"
	"regexp"
	"strconv"
	"unicode"
	"unicode/utf8"

	goccy "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"
)

var (
	syntaxError  = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)
	missesAnchor = regexp.MustCompile(`unknown anchor '(.*)' referenced`)
)

// syntax records why the text is no YAML. The error of the decoder knows no
// column and often the wrong line, so where goccy's parser refuses the text too,
// its word is taken; what that parser lets pass is looked for in the text.
func (d *document) syntax(data []byte, err error) {
	var exact *goccy.SyntaxError
	if _, perr := parser.ParseBytes(data, 0); errors.As(perr, &exact) && exact.Token != nil {
		at := exact.Token.Position
		d.fault(at.Line, at.Column, "", "no YAML: %s", exact.Message)
		return
	}
	line, column, why := 1, 1, err.Error()
	if m := syntaxError.FindStringSubmatch(why); m != nil {
		line, _ = strconv.Atoi(m[1]) // none gives 0, and so the first line
		why = m[2]
	}
	at := bytes.IndexFunc(data, isNoText)
	if m := missesAnchor.FindStringSubmatch(why); m != nil {
		// The name may be a secret that begins with an asterisk.
		why = "an anchor that does not exist; a text that begins with * needs quotes"
		at = bytes.Index(data, []byte("*"+m[1]))
	}
	if at >= 0 {
		line = bytes.Count(data[:at], []byte("\n")) + 1
		column = at - bytes.LastIndexByte(data[:at], '\n')
	}
	d.fault(line, column, "", "no YAML: %s", why)
}

// isNoText is true for what no YAML may hold: control characters and what is no
// UTF-8.
func isNoText(r rune) bool {
	return r == utf8.RuneError || unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r'
}
