package refresh

import (
	"context"
	"sync"
	"time"
)

// Ahead has a value that is dear to read read before it is asked for: while somebody
// asks now and then, whoever asks next is answered at once, with a value that is about
// Every old. Where nobody asks, nobody reads.
type Ahead[T any] struct {
	// Read reads the value. Its error ends the reading ahead: then each who asks has it
	// read, until that works again.
	Read func(context.Context) (T, error)
	// Every is how often it is read, and half of how old it may be.
	Every time.Duration
	// Cheap is how long a reading takes at most that is made anew for each who asks.
	Cheap time.Duration

	reading sync.Mutex // held while it is read

	mu        sync.Mutex
	value     T
	at, asked time.Time
	forgotten int
	timer     *time.Timer
}

const (
	// askedAhead is how long after somebody asked it is read for the next one. A
	// Prometheus asks every minute or more often.
	askedAhead = 2 * time.Minute
	// aheadPatience is how long a reading may take.
	aheadPatience = 2 * time.Second
)

// Get is the value, read now where the last one is too old.
func (a *Ahead[T]) Get() (T, error) {
	if value, ok := a.last(); ok {
		return value, nil
	}
	a.reading.Lock()
	defer a.reading.Unlock()
	if value, ok := a.last(); ok { // it was being read
		return value, nil
	}
	return a.read()
}

// Forget has the next one who asks read it anew, also where it is being read.
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

// read reads, and sees to it that it is read again.
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

// again reads for whoever asks next, if there is likely to be one.
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
