package matrix

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/httpsend"
)

// request is one request to the homeserver.
type request struct {
	op, method string
	// path is what follows /_matrix, a part a segment.
	path  []string
	query url.Values
	// body is JSON; content, of mediaType, is a file.
	body      []byte
	content   *httpsend.Content
	mediaType string
	// long is true where the reply may be one of many events.
	long bool
}

// call sends a request. Whatever is not accepted is an error.
func (c *Channel) call(ctx context.Context, r request) (httpsend.Reply, error) {
	if i := slices.IndexFunc(r.path, leads); i >= 0 {
		return httpsend.Reply{}, &classify.Error{
			Channel: Type, Table: table, Op: r.op, Sent: classify.SentNo, Reason: classify.ReasonInvalidRequest,
			Err: fmt.Errorf("%q is no id", r.path[i]),
		}
	}
	sender := c.sender
	if r.long {
		sender = c.reader
	}
	header := http.Header{"Authorization": {"Bearer " + c.token}}
	switch {
	case r.content != nil:
		header.Set("Content-Type", r.mediaType)
	case r.body != nil:
		header.Set("Content-Type", "application/json")
	}
	reply, err := sender.Do(ctx, httpsend.Request{
		Op: r.op, Method: r.method, URL: c.url(r.path, r.query), Header: header, Body: r.body, Content: r.content,
	})
	if err != nil {
		return httpsend.Reply{}, err
	}
	if !reply.OK() {
		return httpsend.Reply{}, c.refused(r.op, reply)
	}
	return reply, nil
}

// leads is true for what would lead to another path than it stands in. What a server
// says of that path is not about the bridge.
func leads(segment string) bool { return segment == "" || segment == "." || segment == ".." }

// url is the address of a path. A room id or an event id may hold a slash, which
// must not look like one of the path.
func (c *Channel) url(path []string, query url.Values) *url.URL {
	u := *c.base
	plain, raw := strings.TrimRight(u.Path, "/"), strings.TrimRight(u.EscapedPath(), "/")
	var p, r strings.Builder
	p.WriteString(plain + "/_matrix")
	r.WriteString(raw + "/_matrix")
	for _, segment := range path {
		p.WriteString("/" + segment)
		r.WriteString("/" + url.PathEscape(segment))
	}
	u.Path, u.RawPath, u.RawQuery = p.String(), r.String(), query.Encode()
	return &u
}
