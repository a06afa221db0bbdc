package httpsend

import "net/url"

// ParseURL reads an address that a configuration gives, and answers what is wrong with
// it, empty for nothing. What net/url has to say of a bad one may quote a password in
// it, so it is not passed on.
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
