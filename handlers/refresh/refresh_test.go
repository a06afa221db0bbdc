package refresh_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outgate/outgate/handlers/refresh"
)

// source is the source of a value. It counts how often it is read.
type source struct {
	mu      sync.Mutex
	reads   int
	trouble error
	takes   time.Duration
}

func (s *source) read(context.Context) (int, error) {
	s.mu.Lock()
	takes := s.takes
	s.mu.Unlock()
	<-time.After(takes)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	return s.reads, s.trouble
}

func (s *source) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

// becomes sets the error of a read, and how long it takes, from now on.
func (s *source) becomes(trouble error, takes time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble, s.takes = trouble, takes
}

func (s *source) ahead() *refresh.Ahead[int] {
	return &refresh.Ahead[int]{Every: 2 * time.Second, Read: s.read}
}

// wait lets time pass in the bubble of a synctest.
func wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestGetReturnsTheValueThatWasReadAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s source
		a := s.ahead()
		get := func(want int) {
			t.Helper()
			if got, err := a.Get(); err != nil || got != want {
				t.Errorf("got read %d, %v, want read %d", got, err, want)
			}
		}
		get(1)
		get(1)
		wait(15 * time.Second)
		if s.count() != 8 {
			t.Errorf("got %d reads, want 8", s.count())
		}
		get(8)
		if s.count() != 8 {
			t.Errorf("got %d reads, want 8: Get must not wait for a read", s.count())
		}
		a.Forget()
		get(9)
	})
}

func TestForgetDuringAReadDropsItsResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source{takes: time.Second}
		a := s.ahead()
		go func() { _, _ = a.Get() }()
		wait(500 * time.Millisecond)
		a.Forget()
		wait(time.Second)
		if got, err := a.Get(); err != nil || got != 2 {
			t.Errorf("got read %d, %v, want read 2", got, err)
		}
		wait(time.Hour) // until the read ahead has stopped
	})
}

func TestNothingIsReadIfNobodyAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s source
		a := s.ahead()
		wait(time.Minute)
		if s.count() > 0 {
			t.Errorf("got %d reads before the first Get, want 0", s.count())
		}
		if _, err := a.Get(); err != nil {
			t.Fatal(err)
		}
		wait(time.Hour)
		if s.count() < 50 || s.count() > 61 {
			t.Errorf("got %d reads, want 50 to 61 within two minutes", s.count())
		}
		was := s.count()
		if got, err := a.Get(); err != nil || got != was+1 {
			t.Errorf("got read %d, %v, want read %d", got, err, was+1)
		}
		wait(10 * time.Second)
		if s.count() != was+6 {
			t.Errorf("got %d more reads, want 6", s.count()-was)
		}
	})
}

// Get must not return the value from before the trouble.
func TestGetReturnsTheErrorOfAFailedRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s source
		a := s.ahead()
		if _, err := a.Get(); err != nil {
			t.Fatal(err)
		}
		trouble := errors.New("Redis is away")
		s.becomes(trouble, 0)
		wait(2 * time.Second)
		was := s.count()
		for range 3 {
			if _, err := a.Get(); !errors.Is(err, trouble) {
				t.Errorf("got error %v, want %v", err, trouble)
			}
			wait(time.Minute)
		}
		if s.count() != was+3 {
			t.Errorf("got %d reads for three calls of Get, want 3", s.count()-was)
		}
		s.becomes(nil, 0)
		if got, err := a.Get(); err != nil || got != was+4 {
			t.Errorf("got read %d, %v, want read %d", got, err, was+4)
		}
	})
}

func TestAValueThatIsCheapToReadIsNotCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s source
		a := s.ahead()
		a.Cheap = 20 * time.Millisecond
		for i, takes := range []time.Duration{0, 19 * time.Millisecond, 20 * time.Millisecond} {
			s.becomes(nil, takes)
			if got, err := a.Get(); err != nil || got != i+1 {
				t.Errorf("a read of %s: got read %d, %v, want read %d", takes, got, err, i+1)
			}
		}
		if got, err := a.Get(); err != nil || got != 3 {
			t.Errorf("got read %d, %v, want the slow read 3", got, err)
		}
		wait(time.Hour)
	})
}
