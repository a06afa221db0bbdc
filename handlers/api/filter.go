package api

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/ops"
)

// Filter chooses dead letters; the zero value chooses all. It is the same in the
// query of a list and in the body of a replay.
type Filter struct {
	BridgeID       string `json:"bridge"`
	ExternalRoomID string `json:"room"`
	Reason         string `json:"reason"`
	Category       string `json:"category"`
	// Partition is of one partition; nil is all.
	Partition *int `json:"partition"`
	// SinceMS is the earliest death, in unix ms; 0 is any.
	SinceMS int64 `json:"since_ms"`
}

// filterParams are the names of a filter's fields.
var filterParams = []string{"bridge", "room", "reason", "category", "partition", "since_ms"}

func (a *API) filterOf(q url.Values) (Filter, error) {
	f := Filter{
		BridgeID: q.Get("bridge"), ExternalRoomID: q.Get("room"), Reason: q.Get("reason"), Category: q.Get("category"),
	}
	index, err := a.partitionOf(q)
	if err != nil {
		return f, err
	}
	if index >= 0 {
		f.Partition = &index
	}
	if q.Has("since_ms") {
		if f.SinceMS, err = strconv.ParseInt(q.Get("since_ms"), 10, 64); err != nil {
			f.SinceMS = -1
		}
	}
	return f, a.check(f)
}

// Categories are those that a filter knows.
var Categories = []string{string(classify.Retryable), string(classify.Terminal), string(classify.Fatal)}

// maxField bounds a field of a filter: no id is longer.
const maxField = 512

// check says what is wrong with a filter, by the names that a query has for its
// fields.
func (a *API) check(f Filter) error {
	for name, value := range map[string]string{"bridge": f.BridgeID, "room": f.ExternalRoomID, "reason": f.Reason} {
		if len(value) > maxField || !utf8.ValidString(value) {
			return invalid(name, "want at most %d bytes of UTF-8", maxField)
		}
	}
	if f.Category != "" && !slices.Contains(Categories, f.Category) {
		return invalid("category", "want %s", strings.Join(Categories, ", "))
	}
	if f.Partition != nil && (*f.Partition < 0 || *f.Partition >= a.cfg.Scheme.Count) {
		return invalid("partition", "want a number from 0 to %d", a.cfg.Scheme.Count-1)
	}
	if f.SinceMS < 0 {
		return invalid("since_ms", "want a time in unix ms")
	}
	return nil
}

func (f Filter) matches(l Letter) bool {
	return (f.BridgeID == "" || f.BridgeID == l.BridgeID) &&
		(f.ExternalRoomID == "" || f.ExternalRoomID == l.ExternalRoomID) &&
		(f.Reason == "" || f.Reason == string(l.Reason)) &&
		(f.Category == "" || f.Category == string(l.Category)) &&
		(f.Partition == nil || *f.Partition == l.Partition) &&
		l.DiedAtMS >= f.SinceMS
}

// DeadLetters is the filter as the dead letters take it.
func (f Filter) DeadLetters() ops.DeadLetterFilter {
	h := ops.DeadLetterFilter{
		BridgeID: f.BridgeID, ExternalRoomID: f.ExternalRoomID, Reason: classify.Reason(f.Reason),
		Category: classify.Category(f.Category),
	}
	if f.Partition != nil {
		h.Partitions = []int{*f.Partition}
	}
	if f.SinceMS > 0 {
		h.Since = time.UnixMilli(f.SinceMS)
	}
	return h
}

// shortened is at most maxSaid bytes of a text, whole characters of it, in one line.
func shortened(s string) string {
	n := maxSaid
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// routed reads a routing key, keeping what is known already.
func routed(key, bridge, room string) (string, string) {
	if b, r, ok := strings.Cut(key, ":"); ok && bridge == "" {
		return b, r
	}
	return bridge, room
}

// millis writes a time as unix ms, 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() || t.Unix() <= 0 {
		return 0
	}
	return t.UnixMilli()
}

// failureOf is why asynq was told that an attempt is to be made again; empty where the
// head only gave its place back.
func failureOf(text string) string {
	text, _, _ = strings.Cut(text, ", again in ")
	if text == "waiting for its turn" {
		return ""
	}
	return shortened(text)
}
