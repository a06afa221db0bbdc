// Package xmppfake is a small XMPP server that stands in for a real one: it knows
// every person and every room, keeps what is sent to them, and takes uploads. What
// it does not do, it refuses as Prosody does: a login with a wrong password, a room
// that was closed, a file that is too large.
//
// It lets people log in by PLAIN and without TLS, so it listens on the loopback
// only.
package xmppfake

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/outgate/outgate/handlers/internal/fakes"
)

// DefaultMaxUpload is the size of the largest file: 10 MiB, as Prosody's
// mod_http_file_share has it.
const DefaultMaxUpload = 10 << 20

// Config is what a Fake serves.
type Config struct {
	// Domain is that of the accounts; empty is "localhost". The rooms are those of
	// "rooms." and the domain.
	Domain string
	// Password is that of every account; empty takes any.
	Password string
	// MaxUpload is the size of the largest file; 0 is DefaultMaxUpload.
	MaxUpload int64
	// Uploads is where the Fake is served as an http.Handler; empty has Serve do that.
	Uploads string
}

// Fake is the server. Serve has it speak XMPP; as an http.Handler it takes the
// uploads. The rooms of fakes.Base are JIDs.
type Fake struct {
	fakes.Base

	domain    string
	maxUpload int64
	// served is true if somebody else serves the uploads.
	served bool

	mu       sync.Mutex
	password string
	closed   map[string]bool
	// uploads is the address of the files, and files how large each is to be.
	uploads string
	files   map[string]int64
	// stored are the addresses of the files that came.
	stored map[string]bool
	conns  map[net.Conn]bool
	slots  int
}

// New makes a Fake.
func New(cfg Config) *Fake {
	if cfg.Domain == "" {
		cfg.Domain = "localhost"
	}
	if cfg.MaxUpload == 0 {
		cfg.MaxUpload = DefaultMaxUpload
	}
	return &Fake{
		domain: cfg.Domain, maxUpload: cfg.MaxUpload, password: cfg.Password,
		served: cfg.Uploads != "", uploads: cfg.Uploads,
		closed: make(map[string]bool), files: make(map[string]int64), stored: make(map[string]bool), conns: make(map[net.Conn]bool),
	}
}

// SetToken changes the password. Who is logged in stays so.
func (f *Fake) SetToken(password string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.password = password
}

// LimitUpload changes the size of the largest file.
func (f *Fake) LimitUpload(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.maxUpload = bytes
}

// CloseRoom makes a person unknown, or a room one for members.
func (f *Fake) CloseRoom(room string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed[room] = true
}

// HangUp breaks all connections, as a server that is killed.
func (f *Fake) HangUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for conn := range f.conns {
		_ = conn.Close()
	}
}

// Serve takes connections until the listener is closed, whose error it returns. It
// takes uploads at another port of the loopback.
func (f *Fake) Serve(l net.Listener) error {
	defer f.HangUp()
	if !f.served {
		web, err := f.takeUploads()
		if err != nil {
			return err
		}
		defer func() { _ = web.Close() }()
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		f.mu.Lock()
		f.conns[conn] = true
		f.mu.Unlock()
		go func() {
			(&session{Fake: f, conn: conn, d: xml.NewDecoder(conn), in: make(map[string]string)}).run()
			_ = conn.Close()
			f.mu.Lock()
			delete(f.conns, conn)
			f.mu.Unlock()
		}()
	}
}

// takeUploads serves the uploads at a port of the loopback.
func (f *Fake) takeUploads() (*http.Server, error) {
	files, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	web := &http.Server{Handler: f, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = web.Serve(files) }()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.uploads = "http://" + files.Addr().String()
	return web, nil
}

// Uploaded is the size of the file that was uploaded to an address, 0 for none.
func (f *Fake) Uploaded(address string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	where, _ := strings.CutPrefix(address, f.uploads)
	if !f.stored[where] {
		return 0
	}
	return f.files[where]
}

// ServeHTTP takes the file of a slot, and tells of it. It keeps its size alone.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	size, asked := f.files[r.URL.Path]
	f.mu.Unlock()
	switch {
	case !asked:
		http.NotFound(w, r)
	case r.Method == http.MethodPut && r.Header.Get("Authorization") != "Bearer "+path.Base(path.Dir(r.URL.Path)):
		http.Error(w, "the slot is another's", http.StatusForbidden)
	case r.Method == http.MethodPut && r.ContentLength != size:
		http.Error(w, "not the size that was asked for", http.StatusRequestEntityTooLarge)
	case r.Method == http.MethodPut:
		f.mu.Lock()
		f.stored[r.URL.Path] = true
		f.mu.Unlock()
		w.WriteHeader(http.StatusCreated)
	default:
		_, _ = fmt.Fprintf(w, "a file of %d bytes\n", size)
	}
}

// slot is a place for a file of the size.
func (f *Fake) slot(name string, size int64) (address, token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.slots++
	token = fmt.Sprintf("slot-%d", f.slots)
	where := "/" + token + "/" + strings.ReplaceAll(path.Base(name), " ", "_")
	f.files[where] = size
	return f.uploads + where, token
}

// shut is true for a room that was closed.
func (f *Fake) shut(room string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed[room]
}

// limit is the size of the largest file.
func (f *Fake) limit() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.maxUpload
}

// admits checks what PLAIN says (RFC 4616), and returns who it is.
func (f *Fake) admits(plain string) (user string, ok bool) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(plain))
	parts := strings.Split(string(raw), "\x00")
	if err != nil || len(parts) != 3 {
		return "", false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return parts[1], f.password == "" || parts[2] == f.password
}
