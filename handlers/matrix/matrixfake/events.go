package matrixfake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// messages gives a page of a room's events: the last ones first with dir=b.
func (f *Fake) messages(w http.ResponseWriter, r *http.Request) {
	roomID, q := r.PathValue("room"), r.URL.Query()
	var filter filter
	if s := q.Get("filter"); s != "" && json.Unmarshal([]byte(s), &filter) != nil {
		f.refuse(w, http.StatusBadRequest, "M_NOT_JSON", "Unable to parse the filter")
		return
	}
	dir := q.Get("dir")
	if dir != "b" && dir != "f" {
		f.refuse(w, http.StatusBadRequest, "M_MISSING_PARAM", "Missing query parameter dir")
		return
	}
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil {
		limit = 10
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.member(roomID) {
		f.refuse(w, http.StatusForbidden, "M_FORBIDDEN", "User "+f.user+" not in room "+roomID)
		return
	}
	var timeline []*event
	if in := f.rooms[roomID]; in != nil {
		timeline = in.timeline
	}
	// A place in the timeline is the number of events before it.
	at, step, last := 0, 1, len(timeline)
	if dir == "b" {
		at, step, last = len(timeline), -1, 0
	}
	if n, err := strconv.Atoi(strings.TrimPrefix(q.Get("from"), "t")); err == nil {
		at = min(max(n, 0), len(timeline))
	}
	body, chunk := map[string]any{"start": fmt.Sprintf("t%d", at)}, []*event{}
	for ; at != last && len(chunk) < max(limit, 1); at += step {
		if e := timeline[at+min(step, 0)]; filter.match(e) {
			chunk = append(chunk, e)
		}
	}
	if at != last {
		body["end"] = fmt.Sprintf("t%d", at)
	}
	body["chunk"] = chunk
	answer(w, body)
}

// filter is the part of a RoomEventFilter that is known here.
type filter struct{ Types, Senders []string }

func (f *filter) match(e *event) bool {
	return (f.Types == nil || slices.Contains(f.Types, e.Type)) &&
		(f.Senders == nil || slices.Contains(f.Senders, e.Sender))
}

// canonical is a JSON object as a homeserver signs it, in UTF-8 and without
// fractions. Where it cannot be, the code says why.
func canonical(body []byte) (raw []byte, code string) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var v map[string]any
	if err := dec.Decode(&v); err != nil || v == nil || dec.More() {
		return nil, "M_NOT_JSON"
	}
	if fraction(v) {
		return nil, "M_BAD_JSON"
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), ""
}

// fraction is true for what has a number in it that is no integer.
func fraction(v any) bool {
	switch v := v.(type) {
	case json.Number:
		return strings.ContainsAny(v.String(), ".eE")
	case []any:
		return slices.ContainsFunc(v, fraction)
	case map[string]any:
		for _, e := range v {
			if fraction(e) {
				return true
			}
		}
	}
	return false
}
