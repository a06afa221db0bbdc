package tasks_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/tasks"
)

func TestDecodeEnvelopeReadsEveryField(t *testing.T) {
	tests := map[string]struct {
		file string
		want tasks.Envelope
	}{
		"of a text": {
			file: "05-every-field-of-a-send",
			want: tasks.Envelope{
				Operation:      tasks.Send,
				BridgeID:       "tg-main",
				ExternalRoomID: "-1001234567890",
				Channel:        "telegram",
				Payload:        tasks.Text("Order *1234* has left the warehouse."),
				Opts: &tasks.Opts{
					Format: tasks.Markdown, ReplyTo: "76", ThreadID: "9", Silent: true, MediaPolicy: "reject",
					Metadata: json.RawMessage(`{"order": 1234, "tags": ["a", null, 1.5e3], "deep": {"er": {}}}`),
				},
				IdempotencyKey:  "order-1234-shipped",
				Priority:        tasks.PriorityHigh,
				MaxAttempts:     3,
				BaseBackoffMS:   250,
				MaxBackoffMS:    8000,
				ExpiresAtMS:     1767323045678,
				SessionKey:      json.RawMessage(`{"user": "u1", "big": 12345678901234567890}`),
				RouteResolution: json.RawMessage(`{"via": "default"}`),
				CorrelationID:   "req-77",
				Traceparent:     "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
			},
		},
		"of media": {
			file: "06-every-field-of-media-by-url",
			want: tasks.Envelope{
				Operation:      tasks.SendMedia,
				BridgeID:       "tg-main",
				ExternalRoomID: "-1001234567890",
				Payload: tasks.Payload{Media: &tasks.Media{
					Kind: tasks.Video, URL: "https://cdn.example.com/v/1.mp4?a=1&b=2#t=3", MediaType: "video/mp4",
					Filename: "tour.mp4", SizeBytes: 1048576, Width: 1920, Height: 1080, Duration: 42,
					ThumbnailURL: "https://cdn.example.com/v/1.jpg", Caption: "The <tour>",
					FallbackText: "A video of the tour",
				}},
			},
		},
		"by data": {
			file: "07-media-by-data",
			want: tasks.Envelope{
				Operation: tasks.SendMedia, BridgeID: "tg-main", ExternalRoomID: "-1001234567890",
				Payload: tasks.Payload{Media: &tasks.Media{
					Kind: tasks.Audio, Data: "aGVsbG8gd29ybGQ=", MediaType: "audio/ogg",
				}},
			},
		},
		"of an edit": {
			file: "02-smallest-edit",
			want: tasks.Envelope{
				Operation: tasks.Edit, BridgeID: "tg-main", ExternalRoomID: "-1001234567890",
				Payload: tasks.Text("better"), ExternalMessageID: "77",
			},
		},
		"with escapes": {
			file: "20-escaped-keys-and-text",
			want: tasks.Envelope{
				Operation: tasks.Send, BridgeID: "tg-main", ExternalRoomID: "-1001234567890",
				Payload: tasks.Text("\"\\/\b\f\n\r\tAé€😀"),
			},
		},
		"where null is absent": {
			file: "16-null-is-absent",
			want: tasks.Envelope{
				Operation: tasks.Send, BridgeID: "tg-main", ExternalRoomID: "-1001234567890",
				Payload: tasks.Text("hello"), Opts: &tasks.Opts{},
			},
		},
		"where the last of duplicate keys counts": {
			file: "19-last-of-duplicate-keys-counts",
			want: tasks.Envelope{
				Operation: tasks.Send, BridgeID: "tg-main", ExternalRoomID: "-1001234567890",
				Payload: tasks.Text("hello"),
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile("testdata/envelopes/" + tt.file + ".json")
			if err != nil {
				t.Fatal(err)
			}
			got, err := tasks.DecodeEnvelope(data, 0)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("envelope (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeEnvelopeBoundsTheSize(t *testing.T) {
	envelope := func(size int) []byte {
		const frame = `{"operation":"send","bridge_id":"b","external_room_id":"1","payload":""}`
		return []byte(strings.Replace(frame, `""`, `"`+strings.Repeat("x", size-len(frame))+`"`, 1))
	}
	tests := map[string]struct {
		size, limit int
		tooLarge    bool
	}{
		"exactly the limit passes":            {size: 1000, limit: 1000},
		"one byte more does not":              {size: 1001, limit: 1000, tooLarge: true},
		"no limit means the default":          {size: tasks.DefaultMaxBytes, limit: 0},
		"the default is a limit":              {size: tasks.DefaultMaxBytes + 1, limit: 0, tooLarge: true},
		"a limit above the default is obeyed": {size: tasks.DefaultMaxBytes + 1, limit: 1 << 20},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := tasks.DecodeEnvelope(envelope(tt.size), tt.limit)
			if !tt.tooLarge {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			large, ok := errors.AsType[*tasks.TooLargeError](err)
			if !ok || !errors.Is(err, tasks.ErrTooLarge) || errors.Is(err, tasks.ErrInvalid) {
				t.Fatalf("error = %v, want a *TooLargeError", err)
			}
			limit := tt.limit
			if limit == 0 {
				limit = tasks.DefaultMaxBytes
			}
			if large.Size != tt.size || large.Limit != limit {
				t.Errorf("size and limit = %d, %d, want %d, %d", large.Size, large.Limit, tt.size, limit)
			}
			want := fmt.Sprintf("envelope of %d bytes is larger than the limit of %d", tt.size, limit)
			if err.Error() != want {
				t.Errorf("text = %q, want %q", err, want)
			}
		})
	}
}

func TestDecodeEnvelopeExplainsTheFault(t *testing.T) {
	const room = `"bridge_id":"b","external_room_id":"1"`
	tests := map[string]struct{ data, want string }{
		"a number for a room": {
			data: `{"operation":"send","bridge_id":"b","external_room_id":42,"payload":"x"}`,
			want: "invalid external_room_id: must be a string, a number would lose digits",
		},
		"an unknown field": {
			data: `{"operation":"send",` + room + `,"payload":"x","opts":{"sillent":true}}`,
			want: "invalid opts.sillent: is not a field of an envelope",
		},
		"a long unknown field is cut and quoted": {
			data: `{"` + strings.Repeat("é", 4000) + `":1}`,
			want: `invalid "` + strings.Repeat(`\u00e9`, 32) + `": is not a field of an envelope`,
		},
		"an unknown field without a name": {
			data: `{"":1}`,
			want: `invalid "": is not a field of an envelope`,
		},
		"a missing field": {
			data: `{"operation":"send",` + room + `}`,
			want: "invalid payload: is required",
		},
		"broken JSON says where": {
			data: `{"operation":"send",}`,
			want: "invalid (envelope): is not JSON: invalid character '}' looking for beginning of object key string (byte 21)",
		},
		"nothing at all": {
			data: ``,
			want: "invalid (envelope): is not JSON: unexpected end of JSON input (byte 0)",
		},
		"a room that is too long": {
			data: `{"operation":"send","bridge_id":"b","external_room_id":"` + strings.Repeat("r", 513) + `","payload":"x"}`,
			want: "invalid external_room_id: must be at most 512 bytes",
		},
		"an edit of nothing": {
			data: `{"operation":"edit",` + room + `,"payload":"x"}`,
			want: "invalid external_message_id: is required to edit",
		},
		"an integer with a fraction": {
			data: `{"operation":"send",` + room + `,"payload":"x","max_attempts":1.5}`,
			want: "invalid max_attempts: must be an integer",
		},
		"the values stay out of it": {
			data: `{"operation":"send",` + room + `,"payload":"x","traceparent":"secret"}`,
			want: "invalid traceparent: must be 00-<32 hex>-<16 hex>-<2 hex> in lower case",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := tasks.DecodeEnvelope([]byte(tt.data), 0)
			if err == nil || err.Error() != tt.want {
				t.Errorf("error = %v\nwant    %s", err, tt.want)
			}
		})
	}
}

func TestDecodeEnvelopeKeepsNothingOfItsInput(t *testing.T) {
	data := []byte(`{"operation":"send","bridge_id":"b","external_room_id":"1","payload":"text",` +
		`"session_key":{"a":1},"route_resolution":{"b":2},"opts":{"metadata":{"c":3}}}`)
	e, err := tasks.DecodeEnvelope(data, 0)
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	got := []string{e.Payload.Text, string(e.SessionKey), string(e.RouteResolution), string(e.Opts.Metadata)}
	if diff := cmp.Diff([]string{"text", `{"a":1}`, `{"b":2}`, `{"c":3}`}, got); diff != "" {
		t.Errorf("the envelope changed with its input:\n%s", diff)
	}
}

func BenchmarkDecodeEnvelope(b *testing.B) {
	const head = `{"bridge_id":"tg-main","external_room_id":"-1001234567890",`
	line := strings.Repeat("A line of text, as people write it.\\n", 100)
	data := base64.StdEncoding.EncodeToString(make([]byte, 180<<10))
	benchmarks := []struct{ name, json string }{
		{"small", head + `"operation":"send","payload":"Order 1234 has left the warehouse.",` +
			`"idempotency_key":"order-1234-shipped","priority":"high",` +
			`"opts":{"format":"markdown","silent":true},"correlation_id":"req-77"}`},
		{"text of 4 KB with escapes", head + `"operation":"send","payload":"` + line + `"}`},
		{"media of 240 KB", head + `"operation":"send_media","payload":{"kind":"image","data":"` + data + `"}}`},
		{"refused", head + `"operation":"send","payload":"x","prio":"high"}`},
	}
	for _, bb := range benchmarks {
		b.Run(bb.name, func(b *testing.B) {
			envelope := []byte(bb.json)
			b.SetBytes(int64(len(envelope)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tasks.DecodeEnvelope(envelope, 0); (err != nil) != (bb.name == "refused") {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	e := tasks.Envelope{
		Operation: tasks.Send, BridgeID: "tg-main", ExternalRoomID: "-1001234567890",
		Payload:        tasks.Text("Order 1234 has left the warehouse."),
		IdempotencyKey: "order-1234-shipped", Priority: tasks.PriorityHigh, CorrelationID: "req-77",
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}
