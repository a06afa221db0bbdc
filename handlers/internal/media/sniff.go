package media

import (
	"bytes"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/outgate/outgate/tasks"
)

// headSize is the number of bytes from which the type is recognized.
const headSize = 512

// The types of the rules below.
const (
	typeBinary = "application/octet-stream" // anything
	typeText   = "text/plain"               // any text
	typeXML    = "text/xml"
	typeSVG    = "image/svg+xml"
	typeOgg    = "application/ogg"
	typeExec   = "application/x-executable"
)

// aliases maps the other names of a type to its usual name.
var aliases = map[string]string{
	"application/x-gzip":           "application/gzip",
	"application/x-rar-compressed": "application/vnd.rar",
	"application/x-pdf":            "application/pdf",
	"application/x-zip-compressed": "application/zip",
	"audio/m4a":                    "audio/mp4",
	"audio/mp3":                    "audio/mpeg",
	"audio/wave":                   "audio/wav",
	"audio/x-aiff":                 "audio/aiff",
	"audio/x-flac":                 "audio/flac",
	"audio/x-m4a":                  "audio/mp4",
	"audio/x-wav":                  "audio/wav",
	"audio/x-matroska":             "audio/matroska",
	"image/jpg":                    "image/jpeg",
	"image/pjpeg":                  "image/jpeg",
	"image/x-icon":                 "image/vnd.microsoft.icon",
	"video/avi":                    "video/x-msvideo",
	"video/x-matroska":             "video/matroska",
	"binary/octet-stream":          typeBinary,
}

// usual is the usual name of a type.
func usual(t string) string {
	if u, ok := aliases[t]; ok {
		return u
	}
	return t
}

// signatures are the first bytes of types that net/http does not know.
var signatures = []struct {
	offset int
	prefix string
	is     string
}{
	{0, "\x7fELF", typeExec},
	{0, "MZ", typeExec},
	{0, "\xfe\xed\xfa\xce", typeExec}, // Mach-O
	{0, "\xfe\xed\xfa\xcf", typeExec},
	{0, "\xce\xfa\xed\xfe", typeExec},
	{0, "\xcf\xfa\xed\xfe", typeExec},
	{0, "\xca\xfe\xba\xbe", typeExec}, // Java, universal Mach-O
	{0, "fLaC", "audio/flac"},
	{0, "#!AMR", "audio/amr"},
	{0, "\xff\xfb", "audio/mpeg"}, // MPEG frames without ID3
	{0, "\xff\xf3", "audio/mpeg"},
	{0, "\xff\xf2", "audio/mpeg"},
	{0, "\xff\xf1", "audio/aac"},
	{0, "\xff\xf9", "audio/aac"},
	{0, "II*\x00", "image/tiff"},
	{0, "MM\x00*", "image/tiff"},
	{4, "ftypheic", "image/heic"},
	{4, "ftypheix", "image/heic"},
	{4, "ftypmif1", "image/heif"},
	{4, "ftypavif", "image/avif"},
	{4, "ftypM4A ", "audio/mp4"},
	{4, "ftypM4B ", "audio/mp4"},
	{4, "ftypqt  ", "video/quicktime"},
	{4, "ftyp3g", "video/3gpp"},
	{4, "ftypiso", "video/mp4"},
	{4, "ftypavc1", "video/mp4"},
	{4, "ftypM4V", "video/mp4"},
}

// certain are the types whose bytes are always recognized: other bytes are never one of
// them, whatever is declared.
var certain = []string{
	"image/png", "image/jpeg", "image/gif", "image/webp",
	"application/pdf", "application/zip", "application/gzip", "text/html", typeOgg, typeExec,
}

// containers are the types that hold sound or pictures; the first bytes do not say which.
// audio and video are the types for these kinds, others are types that may be claimed.
var containers = map[string]struct {
	audio, video string
	others       []string
}{
	typeOgg:      {"audio/ogg", "video/ogg", []string{"audio/opus", "audio/vorbis", "audio/speex"}},
	"video/mp4":  {"audio/mp4", "video/mp4", []string{"video/quicktime", "video/x-m4v", "video/3gpp", "audio/3gpp"}},
	"video/webm": {"audio/webm", "video/webm", []string{"audio/matroska", "video/matroska"}},
	"video/3gpp": {"audio/3gpp", "video/3gpp", []string{"video/3gpp2", "audio/3gpp2"}},
}

// sniff recognizes a type by its first bytes.
func sniff(head []byte) string {
	t, _, _ := strings.Cut(http.DetectContentType(head), ";")
	t = usual(t)
	switch t {
	case typeBinary:
		for _, s := range signatures {
			if len(head) > s.offset && bytes.HasPrefix(head[s.offset:], []byte(s.prefix)) {
				return s.is
			}
		}
	case typeText, typeXML:
		text := bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")))
		begins := func(s string) bool { return bytes.HasPrefix(text, []byte(s)) }
		if begins("<svg") || (begins("<?xml") || begins("<!DOCTYPE svg")) && bytes.Contains(text, []byte("<svg")) {
			return typeSVG
		}
	}
	return t
}

// realType is the type of media: that of the bytes, or a more exact one that the envelope or
// the host declares, if the bytes do not contradict it. It refuses media that are not of
// their kind, or that the policy does not take.
func (p *Policy) realType(m *tasks.Media, head []byte, served string) (string, error) {
	sniffed := sniff(head)
	actual := forKind(m.Kind, sniffed)
	for _, claim := range []string{parseType(m.Kind, m.MediaType), parseType(m.Kind, served)} {
		if claim != "" && agrees(m.Kind, claim) && refines(claim, sniffed) {
			actual = claim
			break
		}
	}
	switch {
	case agrees(m.Kind, actual):
	case actual == typeBinary:
		return "", rejected("the bytes of the media do not show that it is of kind %s", m.Kind)
	default:
		return "", rejected("the media is declared as kind %s, but its bytes are %s", m.Kind, actual)
	}
	return actual, p.takesType(actual)
}

// parseType is a declared type without its parameters; it is empty if it says nothing.
func parseType(kind tasks.MediaKind, declared string) string {
	t, _, err := mime.ParseMediaType(declared)
	if err != nil || !strings.Contains(t, "/") || len(t) > maxName {
		return ""
	}
	if t = usual(t); t == typeBinary {
		return ""
	}
	return forKind(kind, t)
}

// forKind is the type of a container in media of a kind.
func forKind(kind tasks.MediaKind, t string) string {
	c, ok := containers[t]
	switch {
	case ok && kind == tasks.Audio:
		return c.audio
	case ok && kind == tasks.Video:
		return c.video
	}
	return t
}

// kindOf is the kind that a type belongs to.
func kindOf(t string) tasks.MediaKind {
	switch family, _, _ := strings.Cut(t, "/"); family {
	case "image":
		return tasks.Image
	case "audio":
		return tasks.Audio
	case "video":
		return tasks.Video
	}
	return tasks.File
}

// agrees is true if media of a type can be of a kind. Any type can be a file.
func agrees(kind tasks.MediaKind, t string) bool {
	return kind == tasks.File || kind == kindOf(t)
}

// refines is true if bytes of the sniffed type can be of the claimed type.
func refines(claim, sniffed string) bool {
	if claim == sniffed {
		return true
	}
	if slices.Contains(certain, claim) {
		return false
	}
	family, _, _ := strings.Cut(claim, "/")
	switch sniffed {
	case typeBinary:
		return family != "text" && !strings.HasSuffix(claim, "+xml") && !strings.HasSuffix(claim, "json")
	case typeText:
		return family == "text" || family == "application"
	case typeXML:
		return claim == "application/xml" || strings.HasSuffix(claim, "+xml") && claim != typeSVG
	case "application/zip", "application/gzip":
		return family == "application"
	}
	c, ok := containers[sniffed]
	return ok && (claim == c.audio || claim == c.video || slices.Contains(c.others, claim))
}
