// Package refresh has a refresh-ahead cache: a value is read again before the next caller
// asks for it.
package refresh

import (
	"context"
	"sync"
	"time"
)

// Ahead caches one value that is slow to read. While callers keep asking, it reads the value
// again every Every, so each caller gets a recent one at once. If nobody asks, it stops
// reading.
type Ahead[T any] struct {
	// Read reads the value. An error is returned to the caller and not cached: each Get
	// reads until a read succeeds.
	Read func(context.Context) (T, error)
	// Every is the time between two reads. A value may be twice as old.
	Every time.Duration
	// Cheap is a duration: a value that takes less time to read is not cached.
	Cheap time.Duration

	reading sync.Mutex // held during a read

	mu        sync.Mutex
	value     T
	at, asked time.Time
	forgotten int
	timer     *time.Timer
}

const (
	// askedAhead is for how long after a Get the value is read again. Prometheus asks at
	// least once a minute.
	askedAhead = 2 * time.Minute
	// aheadPatience is how long one read may take.
	aheadPatience = 2 * time.Second
)

// Get returns the value. It reads it now if the last one is too old.
func (a *Ahead[T]) Get() (T, error) {
	if value, ok := a.last(); ok {
		return value, nil
	}
	a.reading.Lock()
	defer a.reading.Unlock()
	if value, ok := a.last(); ok { // another caller has just read it
		return value, nil
	}
	return a.read()
}

// Forget drops the value: the next Get reads it again. It also drops the result of a read
// that is under way.
func (a *Ahead[T]) Forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at = time.Time{}
	a.forgotten++
}

func (a *Ahead[T]) last() (T, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = time.Now()
	return a.value, a.asked.Sub(a.at) < 2*a.Every
}

// read reads the value and schedules the next read.
func (a *Ahead[T]) read() (T, error) {
	ctx, cancel := context.WithTimeout(context.Background(), aheadPatience)
	defer cancel()
	a.mu.Lock()
	began, forgotten := time.Now(), a.forgotten
	a.mu.Unlock()
	value, err := a.Read(ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at = time.Time{}
	if err != nil {
		return value, err
	}
	if time.Since(began) < a.Cheap {
		return value, nil
	}
	if a.value = value; a.forgotten == forgotten {
		a.at = began
	}
	if a.timer == nil {
		a.timer = time.AfterFunc(a.Every, a.again)
	} else {
		a.timer.Reset(a.Every)
	}
	return value, nil
}

// again reads the value ahead of the next Get, if there was one lately.
func (a *Ahead[T]) again() {
	a.mu.Lock()
	wanted := time.Since(a.asked) < askedAhead
	a.mu.Unlock()
	if !wanted {
		return
	}
	a.reading.Lock()
	defer a.reading.Unlock()
	_, _ = a.read()
}
