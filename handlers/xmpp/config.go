package xmpp

import (
	"encoding/base64"
	"net"
	"net/netip"
	"strings"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/outgate/outgate/tasks"
)

// parseConfig checks a configuration and fills in what it leaves out.
func parseConfig(cfg *Config) (jid.JID, error) {
	fault := func(field, why string) (jid.JID, error) {
		return jid.JID{}, &tasks.ConfigError{Channel: Type, Field: field, Why: why}
	}
	own, err := jid.Parse(cfg.JID)
	switch {
	case cfg.JID == "":
		return fault("jid", "is required")
	case err != nil || own.Localpart() == "":
		return fault("jid", "is not of the form user@domain")
	case own.Resourcepart() != "":
		return fault("jid", "must have no resource: each connection gets its own")
	case cfg.Password == "":
		return fault("password", "is required")
	}
	if cfg.Server != "" {
		host, port, err := net.SplitHostPort(cfg.Server)
		if err != nil || host == "" || port == "" {
			return fault("server", "is not of the form host:port")
		}
	}
	domains := make([]string, 0, len(cfg.MUC))
	for _, domain := range cfg.MUC {
		j, err := jid.Parse(domain)
		if err != nil || j.String() != j.Domainpart() {
			return fault("muc", "is not a list of domains")
		}
		domains = append(domains, j.Domainpart())
	}
	cfg.MUC = domains
	if cfg.Nick == "" {
		cfg.Nick = own.Localpart()
	}
	if _, err := own.WithResource(cfg.Nick); err != nil {
		return fault("nick", "cannot be a name in a room")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return own, nil
}

// loopback is true for the address of a server on this machine.
func loopback(server string) bool {
	host, _, err := net.SplitHostPort(server)
	if err != nil {
		return false
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

// secrets are the password, and as SASL's PLAIN writes it.
func secrets(own jid.JID, password string) []string {
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + own.Localpart() + "\x00" + password))
	return []string{password, plain}
}
