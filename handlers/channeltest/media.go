package channeltest

import (
	"strings"
	"testing"

	"github.com/outgate/outgate/tasks"
)

// media checks that media arrive: those that came as bytes are uploaded, and of those
// with an address the bytes or the address, as FetchesMedia declares.
func media(tb testing.TB, s *suite) {
	fetches := s.newStage(tb).Capabilities().FetchesMedia
	for _, op := range []tasks.Operation{tasks.SendMedia, tasks.EditMedia} {
		for how, give := range map[string]func(*tasks.Message, string){
			"by an address": func(m *tasks.Message, file string) { byAddress(m, file, fetches) },
			"as bytes":      byData,
		} {
			s.oneMedia(tb, op, how, give)
		}
	}
}

func (s *suite) oneMedia(tb testing.TB, op tasks.Operation, how string, give func(*tasks.Message, string)) {
	tb.Helper()
	st := s.newStage(tb)
	caps := st.Capabilities()
	if !caps.Supports(op) || op.IsEdit() && !caps.Supports(tasks.SendMedia) {
		return
	}
	m := st.message(st.Channel, op)
	file := "cat.png"
	if op.IsEdit() {
		m.ExternalMessageID = st.must(st.message(st.Channel, tasks.SendMedia)).MessageID
		file = "dog.png"
	}
	give(&m, file)
	if _, err := st.deliver(m); err != nil {
		tb.Errorf("%s with media %s, FetchesMedia %v: got the error %v, want a delivery. Look at Capabilities.FetchesMedia: m.Content is nil for an address unless it is true",
			op, how, caps.FetchesMedia, err)
		return
	}
	got := st.last()
	if got.Text != "a picture" {
		tb.Errorf("%s with media %s: got the caption %q, want %q. Look at where %s puts m.Media.Caption", op, how, got.Text, "a picture", name(op))
	}
	if m.Content == nil {
		if got.Media != m.Media.URL {
			tb.Errorf("%s with media %s, FetchesMedia false: got the media %q, want the address %q. Look at where %s puts m.Media.URL",
				op, how, got.Media, m.Media.URL, name(op))
		}
		return
	}
	if !strings.Contains(got.Media, file) || got.Size != m.Content.Size {
		tb.Errorf("%s with media %s, FetchesMedia %v: got the media %q with %d bytes, want the file %q with %d bytes. Look at what %s makes of m.Content, and at Capabilities.FetchesMedia",
			op, how, caps.FetchesMedia, got.Media, got.Size, file, m.Content.Size, name(op))
	}
}
