package console

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
)

// guard lets only those in who know the token. Without a token only this machine is
// answered, and only if it is called by a name of its own: a page of the web whose
// name was made to point here (DNS rebinding) could ask with its visitor's browser.
func (cfg *Config) guard(next http.Handler) http.Handler {
	switch {
	case cfg.Unguarded:
		return next
	case cfg.Token == "":
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !loopback(r.Host) || !fromHere(r.RemoteAddr) {
				http.Error(w, "call this machine 127.0.0.1 or localhost, or set "+cfg.TokenSetting, http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	want := sha256.Sum256([]byte(cfg.Token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			_, given, _ = r.BasicAuth()
		}
		got := sha256.Sum256([]byte(given))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="outgate", charset="UTF-8"`)
			http.Error(w, "this page needs the token ("+cfg.TokenSetting+")", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// loopback is true for a host, with or without a port, that only this machine reaches.
func loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// fromHere is true for the address of a caller on this machine. One that came over a
// Unix socket has none.
func fromHere(addr string) bool { return addr == "" || addr == "@" || loopback(addr) }
