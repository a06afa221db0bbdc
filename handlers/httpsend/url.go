package httpsend

import (
	"fmt"
	"net/url"
	"strings"
)

// ParseURL reads an address of a configuration and says what is wrong with it; why is empty
// for a good one. It does not use the error of net/url, which may quote a password.
func ParseURL(raw string) (u *url.URL, why string) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, "is not a URL"
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, "must begin with http:// or https://"
	case u.Hostname() == "":
		return nil, "has no host"
	}
	return u, ""
}

// rooted is an address whose path begins with a slash. url.URL.JoinPath leaves it out if
// there was no path, and net/http sends what it is given.
func rooted(u *url.URL) *url.URL {
	if u.Path == "" || u.Path[0] == '/' || u.Opaque != "" {
		return u
	}
	slashed := *u
	slashed.Path = "/" + u.Path
	if u.RawPath != "" {
		slashed.RawPath = "/" + u.RawPath
	}
	return &slashed
}

// Join is an address with these words below its path. Each word is escaped, and none
// leads elsewhere: an error says that one is empty or made of dots. It quotes the word.
func Join(base *url.URL, words ...string) (*url.URL, error) {
	u := *base
	plain, escaped := strings.TrimRight(u.Path, "/"), strings.TrimRight(u.EscapedPath(), "/")
	for _, word := range words {
		if word == "" || word == "." || word == ".." {
			return nil, fmt.Errorf("%q is no id", word)
		}
		plain += "/" + word
		escaped += "/" + url.PathEscape(word)
	}
	u.Path, u.RawPath = plain, escaped
	return &u, nil
}
