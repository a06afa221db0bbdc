package httpsend

import "net/url"

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
