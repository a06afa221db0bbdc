package page

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/outgate/outgate/handlers/api"
)

//go:embed assets
var assets embed.FS

//go:embed page.html rows.html
var templates embed.FS

// Config is what the page shows.
type Config struct {
	API *api.API
	// Version is shown in the header.
	Version string
	// Links are shown in the header too.
	Links []Link
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Link leads to another page, by an address that is relative to this one.
type Link struct{ To, Title string }

// Page serves / and /assets/. It is safe for concurrent use.
type Page struct {
	cfg      Config
	template *template.Template
	// mark is a hash of the assets. It is part of their URLs, so browsers may cache them.
	mark  string
	files map[string][]byte
}

// New returns the page.
func New(cfg Config) *Page {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	p := &Page{cfg: cfg, files: make(map[string][]byte)}
	sum := sha256.New()
	for _, name := range []string{"page.css", "page.js", "render.js", "icon.svg"} {
		content, err := fs.ReadFile(assets, "assets/"+name)
		if err != nil {
			panic(err) // the assets are embedded
		}
		_, _ = sum.Write(content)
		p.files[name] = content
	}
	p.mark = hex.EncodeToString(sum.Sum(nil)[:6])
	p.template = template.Must(template.New("page.html").Funcs(formats).ParseFS(templates, "page.html", "rows.html"))
	return p
}

// policy lets the page load and fetch from its own origin only.
const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

// patience is how long the API may take for the first rendering.
const patience = 5 * time.Second

// types are the media types of the assets; those of the operating system may differ.
var types = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

// ServeHTTP implements http.Handler.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "this page answers GET and HEAD only; actions go to the API, /api/v1", http.StatusMethodNotAllowed)
		return
	}
	if name, isAsset := strings.CutPrefix(r.URL.Path, "/assets/"); isAsset {
		content, known := p.files[name]
		if !known {
			http.NotFound(w, r)
			return
		}
		h.Set("Content-Type", types[path.Ext(name)])
		h.Set("ETag", `"`+p.mark+`"`)
		h.Set("Cache-Control", "no-cache")
		if r.URL.RawQuery == p.mark {
			h.Set("Cache-Control", "private, max-age=31536000, immutable")
		}
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
		return
	}
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	var text bytes.Buffer
	if err := p.template.Execute(&text, p.picture(ctx)); err != nil {
		http.Error(w, "the page cannot be rendered", http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(text.Bytes())
}

// roomsShown is how many waiting rooms the page shows, eventsShown how many events.
const (
	roomsShown  = 15
	eventsShown = 20
)

// legend lists the constraints in the order of the legend.
var legend = []api.Constraint{api.Idle, api.Busy, api.Throttled, api.Blocked, api.Paused, api.Shedding}

// picture reads what the page shows first. If Redis does not answer, the page says so
// and updates when Redis is back.
func (p *Page) picture(ctx context.Context) picture {
	at := picture{Version: p.cfg.Version, Links: p.cfg.Links, Mark: p.mark, RoomsShown: roomsShown, EventsShown: eventsShown, Taken: p.cfg.Now().UTC().Format(time.RFC3339)}
	overview, err := p.cfg.API.Overview(ctx)
	var partitions api.Partitions
	var bridges api.Bridges
	var rooms api.Rooms
	var groups api.Groups
	var events api.Events
	if err == nil {
		partitions, err = p.cfg.API.Partitions(ctx)
	}
	if err == nil {
		bridges, err = p.cfg.API.Bridges(ctx)
	}
	if err == nil {
		rooms, err = p.cfg.API.Rooms(ctx, roomsShown, -1)
	}
	if err == nil {
		groups, err = p.cfg.API.Groups(ctx)
	}
	if err == nil {
		events, err = p.cfg.API.Events(ctx, eventsShown)
	}
	at.Down = err != nil
	at.Overview, at.Groups, at.Rooms, at.Bridges = overview, groups, rooms, bridges
	at.Open = open(groups)
	at.Sampled, at.Legend = partitions.Sampled, legend
	for _, s := range partitions.Partitions {
		at.Cells = append(at.Cells, cellOf(s))
	}
	for _, b := range bridges.Bridges {
		at.BridgeRows = append(at.BridgeRows, bridgeRowOf(b, overview.NowMS))
	}
	for _, r := range rooms.Rooms {
		at.RoomRows = append(at.RoomRows, roomRowOf(r, rooms.NowMS))
	}
	for _, g := range groups.Groups {
		at.GroupRows = append(at.GroupRows, groupRowOf(g, groups.NowMS))
	}
	for _, e := range events.Events {
		at.EventRows = append(at.EventRows, eventRowOf(e, events.NowMS))
	}
	return at
}
