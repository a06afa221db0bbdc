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

// source is what is read ahead, and counts how often it is.
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

// becomes is what it is like from now on.
func (s *source) becomes(trouble error, takes time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble, s.takes = trouble, takes
}

func (s *source) ahead() *refresh.Ahead[int] {
	return &refresh.Ahead[int]{Every: 2 * time.Second, Read: s.read}
}

// wait lets time pass, in the bubble of a test.
func wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestWhoAsksIsAnsweredWithWhatWasReadAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s source
		a := s.ahead()
		get := func(want int) {
			t.Helper()
			if got, err := a.Get(); err != nil || got != want {
				t.Errorf("got reading %d, %v, want %d", got, err, want)
			}
		}
		get(1)
		get(1)
		wait(15 * time.Second)
		if s.count() != 8 {
			t.Errorf("read %d times", s.count())
		}
		get(8)
		if s.count() != 8 {
			t.Error("who asked had to wait for a reading")
		}
		a.Forget()
		get(9)
	})
}

func TestWhatIsForgottenWhileItIsReadIsReadAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source{takes: time.Second}
		a := s.ahead()
		go func() { _, _ = a.Get() }()
		wait(500 * time.Millisecond)
		a.Forget()
		wait(time.Second)
		if got, err := a.Get(); err != nil || got != 2 {
			t.Errorf("got reading %d, %v", got, err)
		}
		wait(time.Hour) // the bubble ends with all that is under way
	})
}

func TestWhereNobodyAsksNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s source
		a := s.ahead()
		wait(time.Minute)
		if s.count() > 0 {
			t.Error("read before anybody asked")
		}
		if _, err := a.Get(); err != nil {
			t.Fatal(err)
		}
		wait(time.Hour)
		if s.count() < 50 || s.count() > 61 {
			t.Errorf("read %d times within two minutes", s.count())
		}
		was := s.count()
		if got, err := a.Get(); err != nil || got != was+1 {
			t.Errorf("got reading %d, %v, want a new one", got, err)
		}
		wait(10 * time.Second)
		if s.count() != was+6 {
			t.Errorf("then read %d times", s.count()-was)
		}
	})
}

// What was read before Redis went away is no answer.
func TestWhatCannotBeReadIsNotAnswered(t *testing.T) {
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
				t.Errorf("got %v", err)
			}
			wait(time.Minute)
		}
		if s.count() != was+3 {
			t.Errorf("read %d times for three who asked", s.count()-was)
		}
		s.becomes(nil, 0)
		if got, err := a.Get(); err != nil || got != was+4 {
			t.Errorf("got reading %d, %v", got, err)
		}
	})
}

func TestWhatIsCheapToReadIsReadAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s source
		a := s.ahead()
		a.Cheap = 20 * time.Millisecond
		for i, takes := range []time.Duration{0, 19 * time.Millisecond, 20 * time.Millisecond} {
			s.becomes(nil, takes)
			if got, err := a.Get(); err != nil || got != i+1 {
				t.Errorf("taking %s: got reading %d, %v", takes, got, err)
			}
		}
		if got, err := a.Get(); err != nil || got != 3 {
			t.Errorf("got reading %d, %v, want the dear one", got, err)
		}
		wait(time.Hour)
	})
}
