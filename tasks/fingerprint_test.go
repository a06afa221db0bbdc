package tasks_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/outgate/outgate/tasks"
)

type fingerprintVector struct {
	Name        string          `json:"name"`
	Envelope    json.RawMessage `json:"envelope"`
	Canonical   string          `json:"canonical"`
	Fingerprint string          `json:"fingerprint"`
}

func TestFingerprintMatchesTheVectors(t *testing.T) {
	data, err := os.ReadFile("testdata/fingerprint.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []fingerprintVector
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			sum := sha1.Sum([]byte(v.Canonical))
			if hex.EncodeToString(sum[:]) != v.Fingerprint {
				t.Error("the vector contradicts itself")
			}
			var compacted bytes.Buffer
			if err := json.Compact(&compacted, v.Envelope); err != nil {
				t.Fatal(err)
			}
			for _, data := range [][]byte{v.Envelope, compacted.Bytes()} {
				e, err := tasks.DecodeEnvelope(data, 0)
				if err != nil {
					t.Fatal(err)
				}
				if got := e.Fingerprint(); got != v.Fingerprint {
					t.Errorf("fingerprint = %s, want %s of %s", got, v.Fingerprint, v.Canonical)
				}
			}
		})
	}
}

func TestFingerprintTellsContentsApart(t *testing.T) {
	media := func(m tasks.Media) tasks.Payload { return tasks.Payload{Media: &m} }
	envelopes := map[string]tasks.Envelope{
		"a text":                {Operation: tasks.Send, Payload: tasks.Text("7x")},
		"another text":          {Operation: tasks.Send, Payload: tasks.Text("7y")},
		"an edit":               {Operation: tasks.Edit, Payload: tasks.Text("7x"), ExternalMessageID: "7"},
		"an edit of another":    {Operation: tasks.Edit, Payload: tasks.Text("7x"), ExternalMessageID: "8"},
		"the id a digit longer": {Operation: tasks.Edit, Payload: tasks.Text("x"), ExternalMessageID: "77"},
		"media":                 {Operation: tasks.SendMedia, Payload: media(tasks.Media{URL: "x"})},
		"the url as data":       {Operation: tasks.SendMedia, Payload: media(tasks.Media{Data: "x"})},
		"the url as caption":    {Operation: tasks.SendMedia, Payload: media(tasks.Media{Caption: "x"})},
		"a width":               {Operation: tasks.SendMedia, Payload: media(tasks.Media{Width: 1})},
		"a height":              {Operation: tasks.SendMedia, Payload: media(tasks.Media{Height: 1})},
	}
	seen := map[string]string{}
	for name, e := range envelopes {
		f := e.Fingerprint()
		if other, ok := seen[f]; ok {
			t.Errorf("%q and %q have the same fingerprint", name, other)
		}
		seen[f] = name
	}
}
