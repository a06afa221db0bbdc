package tasks_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/outgate/outgate/tasks"
)

func FuzzDecodeEnvelope(f *testing.F) {
	for _, pattern := range []string{"testdata/envelopes/*.json", "testdata/envelopes/refused/*.json"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			f.Fatalf("no seeds at %s (%v)", pattern, err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := tasks.DecodeEnvelope(data, 0)
		if err != nil {
			if !errors.Is(err, tasks.ErrInvalid) && !errors.Is(err, tasks.ErrTooLarge) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		once, err := e.Encode() // validates
		if err != nil {
			t.Fatalf("accepted, yet %v", err)
		}
		// Encode may write more bytes than it read: some characters become escapes.
		again, err := tasks.DecodeEnvelope(once, 8*tasks.DefaultMaxBytes)
		if err != nil {
			t.Fatalf("%v of %s", err, once)
		}
		twice, err := again.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(once, twice) {
			t.Errorf("not stable:\n%s\n%s", once, twice)
		}
		if e.Fingerprint() != again.Fingerprint() || e.RoutingKey() != again.RoutingKey() {
			t.Errorf("the fingerprint or the room changed: %s", once)
		}
	})
}

func FuzzDecodeOutcome(f *testing.F) {
	paths, err := filepath.Glob("testdata/outcomes/*.json")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no seeds (%v)", err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := tasks.DecodeOutcome(data)
		if err != nil {
			return
		}
		once, err := o.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		again, err := tasks.DecodeOutcome(once)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := again.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(once, twice) {
			t.Errorf("not stable:\n%s\n%s", once, twice)
		}
	})
}
