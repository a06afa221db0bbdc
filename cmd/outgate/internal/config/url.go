package config

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
)

// SecretURL is an address that may hold a secret. It prints its scheme and host
// only, and, for Redis, the path.
type SecretURL struct{ hidden }

// String is the address without what may be secret.
func (u SecretURL) String() string {
	full, hosts, err := parseURL(u.Reveal())
	if err != nil {
		return redacted
	}
	shown := full.Scheme + "://" + hosts
	switch {
	case strings.Trim(full.Path, "/") == "":
		return shown
	case strings.HasPrefix(full.Scheme, "redis"):
		return shown + full.EscapedPath()
	}
	return shown + "/" + redacted
}

// GoString hides what may be secret.
func (u SecretURL) GoString() string { return u.String() }

// Format hides what may be secret from every verb of fmt.
func (u SecretURL) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, u.String()) }

// MarshalText hides what may be secret from JSON, YAML and the log.
func (u SecretURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// parseURL parses an absolute URL that may have several hosts, separated by
// commas; the first stands in the URL, all in hosts. Its error quotes nothing.
func parseURL(address string) (u *url.URL, hosts string, err error) {
	scheme, rest, _ := strings.Cut(address, "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	start := strings.LastIndex(rest[:end], "@") + 1
	hosts = rest[start:end]
	first, _, _ := strings.Cut(hosts, ",")
	u, err = url.Parse(scheme + "://" + rest[:start] + first + rest[end:])
	switch {
	case err != nil:
		return nil, "", errors.New("cannot be read as a URL")
	case u.Hostname() == "":
		return nil, "", errors.New("has no host")
	case strings.Contains(u.Path, "@"):
		return nil, "", errors.New("has an @ in its path; a / in a password is written %2F")
	}
	return u, hosts, nil
}

// faultOfURL says what is wrong with an address that must have one of these
// schemes, empty for nothing. It never quotes the address.
func faultOfURL(address string, schemes ...string) string {
	u, hosts, err := parseURL(address)
	switch {
	case err != nil:
		return err.Error()
	case !slices.Contains(schemes, u.Scheme):
		return "want a URL that begins with " + strings.Join(schemes, "://, ") + "://"
	case u.Host != hosts && strings.HasPrefix(u.Scheme, "http"):
		return "want one host"
	}
	return ""
}

// NewSecretURL hides what may be secret in an address.
func NewSecretURL(address string) SecretURL { return SecretURL{hide(address)} }
