package media_test

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/internal/media"
	"github.com/outgate/outgate/tasks"
)

// spoolDir is a folder that must be empty when the test ends.
func spoolDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() { wantEmpty(t, dir) })
	return dir
}

func wantEmpty(t testing.TB, dir string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) > 0 {
		t.Errorf("got %v, %v; want an empty folder", files, err)
	}
}

func TestDownloadLeavesNoFile(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(png) })
	dir := t.TempDir()
	f := media.NewFetcher(media.Policy{AllowPrivate: true, Dir: dir})
	c, release, err := f.Fetch(t.Context(), &tasks.Media{Kind: tasks.Image, URL: base})
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" {
		wantEmpty(t, dir) // Also while it is in use, so a crash leaves nothing.
	}
	r, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	release()
	release()
	wantEmpty(t, dir)
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got %v for a read after the release, want %v", err, fs.ErrClosed)
	}
}

func TestFailureOfTheDiskIsRetryable(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(png) })
	dir := filepath.Join(t.TempDir(), secret)
	f := media.NewFetcher(media.Policy{AllowPrivate: true, Dir: dir})
	_, _, err := f.Fetch(t.Context(), &tasks.Media{Kind: tasks.Image, URL: base})
	wantError(t, err, classify.ReasonUnknown, "store media on disk: no such file or directory")
	if !classify.Classify(err).Retryable() {
		t.Error("got a final error for a missing folder, want a retryable one")
	}

	readOnly, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	err = media.FillFile(readOnly, strings.NewReader("media"), 10)
	wantError(t, err, classify.ReasonUnknown, "store media on disk: ")
	if strings.Contains(err.Error(), os.DevNull) || errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the error of the write without a path", err)
	}
}
