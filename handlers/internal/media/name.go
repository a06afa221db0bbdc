package media

import (
	"net/url"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/outgate/outgate/tasks"
)

// maxName bounds a filename, in bytes, as file systems do.
const maxName = 255

// extensions has the file extension of usual types. Package mime differs between machines,
// and does not put the usual extension first.
var extensions = map[string]string{
	"image/avif": ".avif", "image/bmp": ".bmp", "image/gif": ".gif", "image/heic": ".heic", "image/jpeg": ".jpg",
	"image/png": ".png", "image/svg+xml": ".svg", "image/tiff": ".tiff", "image/webp": ".webp",
	"audio/aac": ".aac", "audio/aiff": ".aiff", "audio/amr": ".amr", "audio/flac": ".flac", "audio/midi": ".mid",
	"audio/mp4": ".m4a", "audio/mpeg": ".mp3", "audio/ogg": ".ogg", "audio/wav": ".wav", "audio/webm": ".weba",
	"video/3gpp": ".3gp", "video/matroska": ".mkv", "video/mp4": ".mp4", "video/ogg": ".ogv",
	"video/quicktime": ".mov", "video/webm": ".webm", "video/x-msvideo": ".avi",
	"application/gzip": ".gz", "application/json": ".json", "application/pdf": ".pdf", "application/zip": ".zip",
	"text/csv": ".csv", "text/html": ".html", "text/plain": ".txt", "text/xml": ".xml",
}

// filename is the name to send: that of the envelope, or that of the URL, or one made from
// kind and type.
func filename(m *tasks.Media, mediaType string) string {
	if name := cleanName(m.Filename); name != "" {
		return name
	}
	if u, err := url.Parse(m.URL); err == nil {
		if name := cleanName(u.Path); name != "" {
			return name
		}
	}
	ext, ok := extensions[mediaType]
	if !ok {
		ext = ".bin"
	}
	return string(m.Kind) + ext
}

// cleanName removes folders and invisible characters from a name: control characters, line
// separators, and the marks that change the direction of text, so that "gpj.exe" cannot
// look like "exe.jpg". The result may be empty.
func cleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, "_"))
	name = strings.TrimRight(name, `/\`)
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	return trimName(cut(trimName(name)))
}

// trimName drops spaces at both ends, and dots at the end, as some systems do themselves.
// The folders "." and ".." become empty.
func trimName(name string) string {
	return strings.TrimRightFunc(strings.TrimSpace(name), func(r rune) bool {
		return r == '.' || unicode.IsSpace(r)
	})
}

// cut shortens a name before its extension.
func cut(name string) string {
	if len(name) <= maxName {
		return name
	}
	ext := path.Ext(name)
	if len(ext) > maxName/8 {
		ext = ""
	}
	end := maxName - len(ext)
	for !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end] + ext
}
