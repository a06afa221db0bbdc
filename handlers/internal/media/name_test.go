package media_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/outgate/outgate/handlers/internal/media"
	"github.com/outgate/outgate/tasks"
)

func TestNameIsClean(t *testing.T) {
	long := strings.Repeat("ü", 200)
	for name, want := range map[string]string{
		"cat.png":               "cat.png",
		"Zürich – 1 (2).tar.gz": "Zürich – 1 (2).tar.gz",
		"../../etc/passwd":      "passwd",
		`C:\Users\me\cat.png`:   "cat.png",
		"a/b/":                  "b",
		"/":                     "", "": "", ".": "", "..": "", " .. ": "", "a/..": "", "...": "", "\n": "",
		".profile":            ".profile",
		" cat.png . ":         "cat.png",
		"cat\r\n\x00\x7f.png": "cat.png",
		"cat\u202egpj.exe":    "catgpj.exe",
		"cat\u2028.png":       "cat.png",
		"cat\xff.png":         "cat_.png",
		"👩\u200d🚀.png":        "👩\u200d🚀.png",
		long + ".jpeg":        strings.Repeat("ü", 125) + ".jpeg",
		long + ".jpg":         strings.Repeat("ü", 125) + ".jpg",
		long + "." + long:     strings.Repeat("ü", 127),
		"a." + long:           "a." + strings.Repeat("ü", 126),
	} {
		if got := media.CleanName(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestContentHasAFilename(t *testing.T) {
	data := base64.StdEncoding.EncodeToString(png)
	for want, m := range map[string]tasks.Media{
		"given.png":  {Kind: tasks.Image, Data: data, Filename: "a/given.png"},
		"image.png":  {Kind: tasks.Image, Data: data, Filename: "/"},
		"file.png":   {Kind: tasks.File, Data: data},
		"file.bin":   {Kind: tasks.File, Data: base64.StdEncoding.EncodeToString([]byte(binary))},
		"audio.m4a":  {Kind: tasks.Audio, Data: base64.StdEncoding.EncodeToString([]byte(m4a))},
		"video.webm": {Kind: tasks.Video, Data: base64.StdEncoding.EncodeToString([]byte(webm))},
	} {
		c, release, err := media.NewFetcher(media.Policy{}).Fetch(t.Context(), &m)
		if err != nil {
			t.Fatal(err)
		}
		release()
		if c.Filename != want {
			t.Errorf("got %q, want %q", c.Filename, want)
		}
	}
}

func FuzzCleanName(f *testing.F) {
	for _, name := range []string{"cat.png", `..\..\a`, "a\x00b", "\u202ea", strings.Repeat("ü", 130) + ". .jpg", ". .", "\xff/"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := media.CleanName(name)
		if !utf8.ValidString(got) || len(got) > 255 || strings.ContainsAny(got, `/\`) || got == "." || got == ".." ||
			strings.ContainsFunc(got, unicode.IsControl) || got != strings.TrimSpace(got) {
			t.Errorf("%q: got %q, want a clean name of at most 255 bytes", name, got)
		}
		if again := media.CleanName(got); again != got {
			t.Errorf("%q: got %q for the clean name, want %q again", name, again, got)
		}
	})
}
