package markup

import (
	"slices"
	"strings"

	"github.com/yuin/goldmark/util"
)

var web = []string{"http", "https", "mailto"}

// address is a link's destination, percent-encoded so that it holds no white space, quote,
// angle bracket or pipe. It is empty if its scheme is not one of schemes.
func address(dest string, schemes []string) string {
	scheme, rest, ok := strings.Cut(dest, ":")
	if !ok || strings.Trim(rest, "/") == "" || !slices.Contains(schemes, strings.ToLower(scheme)) {
		return ""
	}
	return unsafeInAddress.Replace(string(util.URLEscape([]byte(dest), false)))
}

var (
	unsafeInAddress = strings.NewReplacer("|", "%7C", "<", "%3C", ">", "%3E", `"`, "%22", "`", "%60",
		" ", "%20", "\t", "%09", "\n", "%0A", "\r", "%0D")
	textEscapes      = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	attributeEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")
)

// escapeText escapes the characters that have a meaning in HTML and in mrkdwn.
func escapeText(s string) string { return textEscapes.Replace(s) }

func escapeAttribute(s string) string { return attributeEscapes.Replace(s) }
