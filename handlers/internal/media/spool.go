package media

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/outgate/outgate/classify"
)

// spool is a file that is gone when nobody has it open, where the system allows
// that: so a crash leaves nothing behind.
type spool struct {
	file  *os.File
	size  int64
	close func()
}

func newSpool(dir string) (*spool, error) {
	file, err := os.CreateTemp(dir, "outgate-media-*")
	if err != nil {
		return nil, diskError(err)
	}
	unlinked := os.Remove(file.Name()) == nil
	return &spool{file: file, close: sync.OnceFunc(func() {
		_ = file.Close()
		if !unlinked {
			_ = os.Remove(file.Name())
		}
	})}, nil
}

// fill writes what is read, which must not be more than limit.
func (s *spool) fill(r io.Reader, limit int64) error {
	n, err := io.Copy(s.file, io.LimitReader(r, limit+1))
	if err != nil {
		return diskError(err)
	}
	if n > limit {
		return rejected("the media is larger than the %d bytes that are taken", limit)
	}
	s.size = n
	return nil
}

// open reads from the start, beside all other readers.
func (s *spool) open() (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(s.file, 0, s.size)), nil
}

// source remembers why a reader failed, to tell that from a failed write.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// diskError may be another one, or none, a moment later. It does not tell where
// the file was.
func diskError(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	return &classify.Error{Op: opFetch, Sent: classify.SentNo, Err: fmt.Errorf("keep media on disk: %w", err)}
}
