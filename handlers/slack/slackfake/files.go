package slackfake

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/outgate/outgate/handlers/internal/fakes"
)

// uploadPath is where the bytes of files go.
const uploadPath = "/upload/v1/"

// file is one that was announced.
type file struct {
	id, name string
	length   int64
	// uploaded is true once its bytes are there, complete once the upload was
	// completed.
	uploaded, complete bool
	// shares are the messages it stands in, by room, and asked is how often the fake
	// was asked for them.
	shares map[string][]string
	asked  int
}

func (c *call) getUploadURL() (reply, string) {
	name := c.args.text("filename")
	length, err := strconv.ParseInt(c.args.text("length"), 10, 64)
	switch {
	case c.args.json || name == "":
		return reply{"response_metadata": reply{"messages": []string{"[ERROR] missing required field: filename"}}}, "invalid_arguments"
	case err != nil || length <= 0:
		return nil, "missing_argument"
	}
	f := c.fake
	f.mu.Lock()
	defer f.mu.Unlock()
	id := fmt.Sprintf("F0%08d", len(f.files)+1)
	f.files[id] = &file{id: id, name: name, length: length, shares: make(map[string][]string)}
	scheme := "http"
	if c.r.TLS != nil {
		scheme = "https"
	}
	return reply{"file_id": id, "upload_url": scheme + "://" + c.r.Host + uploadPath + ticket(id)}, ""
}

// ticket is the end of the address of a file's upload, of which the id is a part.
func ticket(id string) string { return "ABC123_" + id }

// upload takes the bytes of a file, as they are or in a form.
func (f *Fake) upload(w http.ResponseWriter, r *http.Request, given string) {
	_, id, _ := strings.Cut(given, "_")
	f.mu.Lock()
	announced := f.files[id]
	f.mu.Unlock()
	refuse := func(status int, why string) {
		f.Count(func(c *fakes.Counts) { c.Refused++ })
		http.Error(w, why, status)
	}
	switch {
	case announced == nil || given != ticket(id):
		refuse(http.StatusNotFound, "no such upload")
		return
	case r.Method != http.MethodPost:
		refuse(http.StatusMethodNotAllowed, "POST the file")
		return
	}
	n, err := count(r)
	if err != nil || n != announced.length {
		refuse(http.StatusBadRequest, fmt.Sprintf("got %d bytes of %d", n, announced.length))
		return
	}
	f.mu.Lock()
	announced.uploaded = true
	f.mu.Unlock()
	_, _ = fmt.Fprintf(w, "OK - %d", n)
}

// count reads the bytes of an upload.
func count(r *http.Request) (int64, error) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "multipart/form-data" {
		return io.Copy(io.Discard, r.Body)
	}
	form, err := r.MultipartReader()
	if err != nil {
		return 0, err
	}
	for {
		part, err := form.NextPart()
		if err != nil {
			return 0, err
		}
		if part.FileName() != "" {
			return io.Copy(io.Discard, part)
		}
	}
}

func (c *call) completeUpload() (reply, string) {
	var list []struct {
		ID    string `json:"id"`
		Title string `json:"title"`
	}
	if !c.args.object("files", &list) || len(list) == 0 {
		return nil, "invalid_arguments"
	}
	room, thread := c.args.text("channel_id"), c.args.text("thread_ts")
	if room != "" {
		if code := c.fake.writable(room); code != "" {
			return nil, code
		}
		if thread != "" && !c.fake.exists(room, thread) {
			return nil, "thread_not_found"
		}
	}
	ids := make([]string, len(list))
	for i, l := range list {
		ids[i] = l.ID
	}
	media, code := c.fake.complete(ids)
	if code != "" {
		return nil, code
	}
	answers := make([]reply, len(list))
	for i, l := range list {
		answers[i] = reply{"id": l.ID, "title": l.Title}
	}
	if room == "" {
		return reply{"files": answers}, ""
	}
	media.Room, media.Thread = room, thread
	media.Text, media.Format = c.args.text("initial_comment"), "mrkdwn"
	m := c.fake.add(media, extra{})
	c.fake.share(ids, room, m.ID)
	c.room = true
	if c.fake.sharesAtOnce {
		for _, a := range answers {
			a["shares"] = reply{"public": reply{room: []reply{{"ts": m.ID}}}}
		}
	}
	return reply{"files": answers}, ""
}

// share notes the message that files stand in.
func (f *Fake) share(ids []string, room, ts string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		f.files[id].shares[room] = append(f.files[id].shares[room], ts)
	}
}

// info answers what is known of a file, its messages once it was asked often enough.
func (c *call) info() (reply, string) {
	f := c.fake
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.files[c.args.text("file")]
	if c.args.json || x == nil || !x.complete {
		return nil, "file_not_found"
	}
	x.asked++
	public := reply{}
	if f.sharesAfter >= 0 && x.asked > f.sharesAfter {
		for room, all := range x.shares {
			list := make([]reply, len(all))
			for i, ts := range all {
				list[i] = reply{"ts": ts}
			}
			public[room] = list
		}
	}
	return reply{"file": reply{"id": x.id, "name": x.name, "size": x.length, "shares": reply{"public": public}}}, ""
}

// complete ends the upload of files; all that were not uploaded are unknown.
func (f *Fake) complete(ids []string) (fakes.Message, string) {
	return f.pick(ids, func(x *file) bool {
		ok := x.uploaded && !x.complete
		x.complete = x.complete || ok
		return ok
	})
}

// completed finds files whose upload was completed.
func (f *Fake) completed(ids []string) (fakes.Message, string) {
	return f.pick(ids, func(x *file) bool { return x.complete })
}

// pick is a message with the files that meet a condition, or the code where one does
// not.
func (f *Fake) pick(ids []string, is func(*file) bool) (m fakes.Message, code string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for _, id := range ids {
		x := f.files[id]
		if x == nil || !is(x) {
			return fakes.Message{}, "file_not_found"
		}
		names = append(names, x.name)
		m.Bytes += x.length
	}
	m.Media = strings.Join(names, ", ")
	return m, ""
}
