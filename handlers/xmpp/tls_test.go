package xmpp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/xmpp"
	"github.com/outgate/outgate/handlers/xmpp/prosodytest"
)

// certify makes a certificate for localhost, and the files of it.
func certify(t testing.TB) (pool *x509.CertPool, pair tls.Certificate, certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{prosodytest.Domain}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	certificate, key = write("crt.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", raw)
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return pool, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, certificate, key
}

func TestAnEncryptedStreamIsCheckedAgainstItsCAs(t *testing.T) {
	pool, _, certificate, key := certify(t)
	srv := prosodytest.Start(t, prosodytest.Config{Accounts: []string{"bot"}, Certificate: certificate, Key: key})
	cfg := xmpp.Config{JID: "bot@localhost", Password: prosodytest.Password, Server: srv.Addr, CAs: pool}
	if _, err := configured(t, cfg).Send(t.Context(), text("bot@localhost", "007-1f", "to myself")); err != nil {
		t.Error(err)
	}
	other, _, _, _ := certify(t)
	cfg.CAs = other
	_, err := configured(t, cfg).Send(t.Context(), text(alice, "007-1f", "hello"))
	wantVerdict(t, err, classify.Retryable, classify.ReasonTLSFailed, classify.SentNo)
	cfg.CAs, cfg.Password = pool, "not it at all"
	_, err = configured(t, cfg).Send(t.Context(), text(alice, "007-1f", "hello"))
	wantVerdict(t, err, classify.Fatal, classify.ReasonUnauthorized, classify.SentNo)
}

func TestAServerWithoutEncryptionIsNotToldThePassword(t *testing.T) {
	pool, _, _, _ := certify(t)
	s := serve(t, &script{failure: `<failure xmlns="urn:ietf:params:xml:ns:xmpp-tls"/>`})
	ch := configured(t, xmpp.Config{JID: "bot@localhost", Password: prosodytest.Password, Server: s.addr, CAs: pool})
	_, err := ch.Send(t.Context(), text(alice, "007-1f", "hello"))
	if _, e := verdict(t, err); e.Sent != classify.SentNo {
		t.Errorf("got %v", err)
	}
	if s.login != "starttls" {
		t.Errorf("the server was asked for %q, want starttls", s.login)
	}
}

// Without a server in the configuration it is the DNS that knows it: here both the
// one that is encrypted from the beginning and the other.
func TestTheServerIsFoundByTheDomain(t *testing.T) {
	pool, pair, _, _ := certify(t)
	for name, c := range map[string]struct {
		service string
		listen  func(net.Listener) net.Listener
		cfg     xmpp.Config
	}{
		"encrypted": {"_xmpps-client", func(l net.Listener) net.Listener {
			return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"xmpp-client"}})
		}, xmpp.Config{CAs: pool}},
		"plain": {"_xmpp-client", func(l net.Listener) net.Listener { return l }, xmpp.Config{AllowPlain: true}},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			s := &script{}
			s.listen(c.listen(l))
			defer s.hangUp()
			c.cfg.JID, c.cfg.Password = "bot@localhost", prosodytest.Password
			ch := configured(t, c.cfg)
			ch.Resolve(resolver(t, c.service, l.Addr().(*net.TCPAddr).Port))
			if _, err := ch.Send(t.Context(), text(alice, "007-1f", "hello")); err != nil {
				t.Error(err)
			}
		})
	}
}
