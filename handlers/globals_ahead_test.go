package handlers_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outgate/outgate/handlers"
)

// counted reads how often it was read.
func counted(reads *int, trouble *error) *handlers.Ahead[int] {
	return &handlers.Ahead[int]{Every: 2 * time.Second, Read: func(context.Context) (int, error) {
		*reads++
		return *reads, *trouble
	}}
}

// wait lets time pass, in the bubble of a test.
func wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestWhoAsksIsAnsweredWithWhatWasReadAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads int
		var trouble error
		a := counted(&reads, &trouble)
		get := func(want int) {
			t.Helper()
			if got, err := a.Get(); err != nil || got != want {
				t.Errorf("got reading %d, %v, want %d", got, err, want)
			}
		}
		get(1)
		get(1)
		wait(15 * time.Second)
		if reads != 8 {
			t.Errorf("read %d times", reads)
		}
		get(8)
		if reads != 8 {
			t.Error("who asked had to wait for a reading")
		}
		a.Forget()
		get(9)
	})
}

func TestWhatIsForgottenWhileItIsReadIsReadAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		a := &handlers.Ahead[int]{Every: 2 * time.Second, Read: func(context.Context) (int, error) {
			reads++
			<-time.After(time.Second)
			return reads, nil
		}}
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
		var reads int
		var trouble error
		a := counted(&reads, &trouble)
		wait(time.Minute)
		if reads > 0 {
			t.Error("read before anybody asked")
		}
		if _, err := a.Get(); err != nil {
			t.Fatal(err)
		}
		wait(time.Hour)
		if reads < 50 || reads > 61 {
			t.Errorf("read %d times within two minutes", reads)
		}
		was := reads
		if got, err := a.Get(); err != nil || got != was+1 {
			t.Errorf("got reading %d, %v, want a new one", got, err)
		}
		wait(10 * time.Second)
		if reads != was+6 {
			t.Errorf("then read %d times", reads-was)
		}
	})
}

// What was read before Redis went away is no answer.
func TestWhatCannotBeReadIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads int
		var trouble error
		a := counted(&reads, &trouble)
		if _, err := a.Get(); err != nil {
			t.Fatal(err)
		}
		trouble = errors.New("Redis is away")
		wait(2 * time.Second)
		was := reads
		for range 3 {
			if _, err := a.Get(); !errors.Is(err, trouble) {
				t.Errorf("got %v", err)
			}
			wait(time.Minute)
		}
		if reads != was+3 {
			t.Errorf("read %d times for three who asked", reads-was)
		}
		trouble = nil
		if got, err := a.Get(); err != nil || got != was+4 {
			t.Errorf("got reading %d, %v", got, err)
		}
	})
}

func TestWhatIsCheapToReadIsReadAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads, takes := 0, time.Duration(0)
		a := &handlers.Ahead[int]{Every: 2 * time.Second, Cheap: 20 * time.Millisecond, Read: func(context.Context) (int, error) {
			<-time.After(takes)
			reads++
			return reads, nil
		}}
		for i, step := range []time.Duration{0, 19 * time.Millisecond, 20 * time.Millisecond} {
			takes = step
			if got, err := a.Get(); err != nil || got != i+1 {
				t.Errorf("taking %s: got reading %d, %v", step, got, err)
			}
		}
		if got, err := a.Get(); err != nil || got != 3 {
			t.Errorf("got reading %d, %v, want the dear one", got, err)
		}
		wait(time.Hour)
	})
}
