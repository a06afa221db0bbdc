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

// spool is a file without a name, if the system allows that: it is gone when it is closed,
// so a crash leaves nothing behind.
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

// fill writes what it reads. More than limit bytes are an error.
func (s *spool) fill(r io.Reader, limit int64) error {
	n, err := io.Copy(s.file, io.LimitReader(r, limit+1))
	if err != nil {
		return diskError(err)
	}
	if n > limit {
		return rejected("the media is larger than the %d bytes that the bridge takes", limit)
	}
	s.size = n
	return nil
}

// open returns a reader from the start that is independent of other readers.
func (s *spool) open() (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(s.file, 0, s.size)), nil
}

// source remembers why a reader failed, to tell a failed read from a failed write.
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

// diskError makes a retryable error. It does not hold the path of the file.
func diskError(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	return &classify.Error{Op: opFetch, Sent: classify.SentNo, Err: fmt.Errorf("store media on disk: %w", err)}
}
