package media_test

import (
	"encoding/base64"
	"net/http"
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/internal/media"
	"github.com/outgate/outgate/tasks"
)

const (
	page   = "<!DOCTYPE html><html><body>not found</body></html>"
	binary = "\x00\x01\x02\x03\x04\x05\x06\x07\x08"
	gif    = "GIF89a\x01\x00\x01\x00"
	ogg    = "OggS\x00\x02"
	mp4    = "\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isommp42"
	m4a    = "\x00\x00\x00\x18ftypM4A \x00\x00\x00\x00M4A isom"
	webm   = "\x1a\x45\xdf\xa3\x00"
	zip    = "PK\x03\x04\x14\x00"
	wav    = "RIFF\x00\x00\x00\x00WAVEfmt "
	svg    = "<?xml version='1.0'?>\n<!-- a cat --><svg xmlns='http://www.w3.org/2000/svg'/>"
	docx   = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
)

func TestTheBytesDecideTheType(t *testing.T) {
	const image, audio, video, file = tasks.Image, tasks.Audio, tasks.Video, tasks.File
	cases := map[string]struct {
		kind         tasks.MediaKind
		bytes        string
		says, served string
		want         string
	}{
		"a picture under another name":         {image, gif, "image/png", "image/png", "image/gif"},
		"a picture that is served as a page":   {image, gif, "", "text/html", "image/gif"},
		"a picture of no declared type":        {image, gif, "", "", "image/gif"},
		"a picture as a file":                  {file, gif, "text/plain", "", "image/gif"},
		"a page as a file":                     {file, page, "image/png", "", "text/html"},
		"a program as a file":                  {file, "MZ\x90\x00\x03", "image/png", "", "application/x-executable"},
		"unknown bytes of a declared type":     {image, binary, "image/x-photo", "image/avif", "image/x-photo"},
		"unknown bytes of a served type":       {image, binary, "", "image/avif; q=1", "image/avif"},
		"unknown bytes declared as any data":   {image, binary, "application/octet-stream", "image/avif", "image/avif"},
		"a file of unknown bytes":              {file, binary, "", "binary/octet-stream", "application/octet-stream"},
		"a file declared as PNG that is none":  {file, binary, "image/png", "", "application/octet-stream"},
		"a file declared as text that is none": {file, binary, "text/csv", "application/json", "application/octet-stream"},
		"a declared type that is no type":      {file, binary, "png", "x/" + "\n", "application/octet-stream"},
		"a file of its own type":               {file, binary, "application/x-tgif", "", "application/x-tgif"},
		"text of its own type":                 {file, "a,b\n1,2\n", "text/csv; charset=utf-8", "", "text/csv"},
		"text of an application":               {file, `{"a":1}`, "", "application/json", "application/json"},
		"text that is no picture":              {file, "hello", "image/x-photo", "", "text/plain"},
		"text that is no page":                 {file, "hello", "text/html", "", "text/plain"},
		"XML of an application":                {file, "<?xml version='1.0'?><a/>", "application/atom+xml", "", "application/atom+xml"},
		"XML as XML":                           {file, "<?xml version='1.0'?><a/>", "application/xml", "", "application/xml"},
		"XML that is no SVG":                   {file, "<?xml version='1.0'?><a/>", "image/svg+xml", "", "text/xml"},
		"a document in a zip":                  {file, zip, docx, "", docx},
		"a zip":                                {file, zip, "image/png", "", "application/zip"},
		"a packed archive":                     {file, "\x1f\x8b\x08\x00", "application/x-tgz", "", "application/x-tgz"},
		"an SVG with a head":                   {image, svg, "", "", "image/svg+xml"},
		"an SVG without a head":                {image, "\n<svg width='1'/>", "", "text/plain", "image/svg+xml"},
		"an SVG with a document type":          {image, "\xef\xbb\xbf<!DOCTYPE svg PUBLIC ''><svg/>", "", "", "image/svg+xml"},
		"sound by another name":                {audio, wav, "audio/x-wav", "", "audio/wav"},
		"sound in Ogg":                         {audio, ogg, "", "application/ogg", "audio/ogg"},
		"Opus in Ogg":                          {audio, ogg, "audio/opus", "", "audio/opus"},
		"pictures in Ogg":                      {video, ogg, "", "audio/ogg", "video/ogg"},
		"Ogg as a file":                        {file, ogg, "", "", "application/ogg"},
		"text that is no Ogg":                  {file, "hello", "application/ogg", "", "text/plain"},
		"sound in MP4":                         {audio, mp4, "", "video/mp4", "audio/mp4"},
		"sound in MP4, as Apple has it":        {audio, m4a, "audio/x-m4a", "", "audio/mp4"},
		"pictures in MP4":                      {video, mp4, "", "", "video/mp4"},
		"QuickTime with the bytes of MP4":      {video, mp4, "video/quicktime", "", "video/quicktime"},
		"sound in WebM":                        {audio, webm, "", "video/webm", "audio/webm"},
		"Matroska":                             {video, webm, "video/x-matroska", "", "video/matroska"},
		"MP4 that is no Matroska":              {video, mp4, "video/x-matroska", "", "video/mp4"},
		"MPEG without ID3":                     {audio, "\xff\xfb\x90\x00\x00", "", "", "audio/mpeg"},
		"FLAC":                                 {audio, "fLaC\x00\x00\x00\x22", "", "", "audio/flac"},
		"HEIC":                                 {image, "\x00\x00\x00\x18ftypheic\x00", "image/jpeg", "", "image/heic"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			base := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{c.served}
				_, _ = w.Write([]byte(c.bytes))
			})
			got, release, err := fetcher(t, media.Policy{}).Fetch(t.Context(), &tasks.Media{Kind: c.kind, URL: base, MediaType: c.says})
			if err != nil {
				t.Fatal(err)
			}
			defer release()
			if got.MediaType != c.want {
				t.Errorf("got %s, want %s", got.MediaType, c.want)
			}
		})
	}
}

func TestAWrongTypeIsRefused(t *testing.T) {
	cases := map[string]struct {
		policy media.Policy
		kind   tasks.MediaKind
		bytes  string
		says   string
		want   string
	}{
		"a page as a picture":           {kind: tasks.Image, bytes: page, says: "image/png", want: "as kind image, but its bytes are text/html"},
		"a program as a picture":        {kind: tasks.Image, bytes: "\x7fELF\x02\x01", says: "image/avif", want: "its bytes are application/x-executable"},
		"a program of Windows as sound": {kind: tasks.Audio, bytes: "MZ\x90\x00\x03", says: "audio/mpeg", want: "its bytes are application/x-executable"},
		"a text as a video":             {kind: tasks.Video, bytes: "hello", says: "video/mp4", want: "as kind video, but its bytes are text/plain"},
		"a picture as sound":            {kind: tasks.Audio, bytes: gif, says: "audio/mpeg", want: "as kind audio, but its bytes are image/gif"},
		"sound as a video":              {kind: tasks.Video, bytes: wav, want: "as kind video, but its bytes are audio/wav"},
		"an archive as a picture":       {kind: tasks.Image, bytes: zip, want: "its bytes are application/zip"},
		"anything as a PNG":             {kind: tasks.Image, bytes: binary, says: "image/png", want: "do not show that it is of kind image"},
		"anything as a video":           {kind: tasks.Video, bytes: binary, want: "do not show that it is of kind video"},
		"a type that is not taken": {
			policy: media.Policy{Types: []string{"image/png"}}, kind: tasks.Image, bytes: gif, says: "image/png",
			want: "of type image/gif, the bridge takes only image/png",
		},
		"a file of a type that is not taken": {
			policy: media.Policy{Types: []string{"application/*"}}, kind: tasks.File, bytes: page, says: "application/pdf",
			want: "of type text/html, the bridge takes only application/*",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			base := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/octet-stream")
				_, _ = w.Write([]byte(c.bytes))
			})
			for _, m := range []tasks.Media{
				{Kind: c.kind, MediaType: c.says, URL: base},
				{Kind: c.kind, MediaType: c.says, Data: base64.StdEncoding.EncodeToString([]byte(c.bytes))},
			} {
				_, _, err := fetcher(t, c.policy).Fetch(t.Context(), &m)
				wantError(t, err, classify.ReasonMediaRejected, c.want)
			}
		})
	}
}
