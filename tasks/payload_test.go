package tasks_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/tasks"
)

func TestPayloadIsAStringOrAnObjectInJSON(t *testing.T) {
	tests := map[string]struct {
		payload tasks.Payload
		json    string
	}{
		"a text": {
			payload: tasks.Text("hello"),
			json:    `"hello"`,
		},
		"a text with markup is not escaped": {
			payload: tasks.Text("<b>Q&A</b> \"é\" \n"),
			json:    `"<b>Q&A</b> \"é\" \n"`,
		},
		"media leave out what is not known": {
			payload: tasks.Payload{Media: &tasks.Media{Kind: tasks.File, URL: "https://example.com/?a=1&b=<2>"}},
			json:    `{"kind":"file","url":"https://example.com/?a=1&b=<2>"}`,
		},
		"media with all fields": {
			payload: tasks.Payload{Media: &tasks.Media{
				Kind: tasks.Video, URL: "https://e.com/v", MediaType: "video/mp4", Filename: "v.mp4", SizeBytes: 1,
				Width: 2, Height: 3, Duration: 4, ThumbnailURL: "https://e.com/t", Caption: "c", FallbackText: "f",
			}},
			json: `{"kind":"video","url":"https://e.com/v","media_type":"video/mp4","filename":"v.mp4",` +
				`"size_bytes":1,"width":2,"height":3,"duration":4,"thumbnail_url":"https://e.com/t",` +
				`"caption":"c","fallback_text":"f"}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			data, err := tt.payload.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			if string(data) != tt.json {
				t.Errorf("JSON = %s\nwant   %s", data, tt.json)
			}
			got := tasks.Payload{Text: "old", Media: &tasks.Media{Caption: "old"}}
			if err := json.Unmarshal(data, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.payload, got); diff != "" {
				t.Errorf("payload (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPayloadRefusesOtherJSON(t *testing.T) {
	tests := map[string]struct {
		json  string
		field string // empty where encoding/json names it
	}{
		"a number":                {json: `5`},
		"a list":                  {json: `[{"kind":"image"}]`},
		"an unknown field":        {json: `{"kind":"image","colour":"red"}`, field: "payload.colour"},
		"a field of another type": {json: `{"kind":"image","width":"1"}`, field: "payload.width"},
		"what is no JSON":         {json: `{"kind"`, field: "(envelope)"},
		"what is no UTF-8":        {json: "\"\xff\"", field: "(envelope)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var p tasks.Payload
			err := p.UnmarshalJSON([]byte(tt.json))
			if err == nil {
				t.Fatal("no error")
			}
			invalid, ok := errors.AsType[*tasks.InvalidError](err)
			if ok != (tt.field != "") || ok && invalid.Field != tt.field {
				t.Errorf("error = %v, want a fault of %q", err, tt.field)
			}
		})
	}
}

func TestEncodeEscapesNoMarkupAndKeepsCarriedNumbers(t *testing.T) {
	e := tasks.Envelope{
		Operation: tasks.Edit, BridgeID: "b", ExternalRoomID: "<1>", ExternalMessageID: "7",
		Payload:    tasks.Text("a < b && c > d"),
		SessionKey: raw(`{ "n": 12345678901234567890, "t": "<&>" }`),
	}
	data, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"operation":"edit","bridge_id":"b","external_room_id":"<1>","payload":"a < b && c > d",` +
		`"external_message_id":"7","session_key":{"n":12345678901234567890,"t":"<&>"}}`
	if string(data) != want {
		t.Errorf("JSON = %s\nwant   %s", data, want)
	}
}

func TestDataIsWhatTheStandardDecoderTakes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	const alphabet = "AZaz09+/==-_\n"
	taken := 0
	for range 20000 {
		var b strings.Builder
		for range 1 + rnd.IntN(8) {
			b.WriteByte(alphabet[rnd.IntN(len(alphabet))])
		}
		data := b.String()
		_, err := base64.StdEncoding.DecodeString(data)
		want := err == nil && !strings.Contains(data, "\n")
		e := tasks.Envelope{
			Operation: tasks.SendMedia, BridgeID: "b", ExternalRoomID: "1",
			Payload: tasks.Payload{Media: &tasks.Media{Kind: tasks.File, Data: data}},
		}
		if got := e.Validate() == nil; got != want {
			t.Fatalf("data %q taken: %v, by encoding/base64: %v", data, got, want)
		}
		if want {
			taken++
		}
	}
	if taken < 100 {
		t.Fatalf("only %d of the samples were base64", taken)
	}
}
