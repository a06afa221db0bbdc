package tasks_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// oddValues are what a field of an envelope may be by mistake.
var oddValues = []string{
	`null`, `true`, `""`, `"x"`, `" "`, `"a\u0000"`, `"ä"`, `"\u00e4"`, `0`, `-1`, `1`, `1.0`, `3e2`, `1.5`, `9007199254740991`,
	`9007199254740993`, `1e300`, `[]`, `[ ]`, `[1]`, `[null]`, `{}`, `{"a":1}`, `{"a":[],"b":1.0}`, `"send"`, `"edit_media"`, `"image"`,
	`"low"`, `"html"`, `"reject"`, `"https://e.com/a"`, `"aGk="`, `"aGk"`, `{"kind":"image","url":"http://h/"}`,
	`{"kind":"file","data":"aGk=","width":2.0}`, `{"format":"plain","x":1}`, `{"thread_id":7,"metadata":[]}`,
	`"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"`,
}

// TestScriptAgreesWithDecodeEnvelopeOnMistakes makes several mistakes at once, so
// that the order in which faults are found counts too.
func TestScriptAgreesWithDecodeEnvelopeOnMistakes(t *testing.T) {
	t.Parallel()
	var schema struct{ Properties map[string]any }
	data, err := tasks.Schemas.ReadFile("schema/envelope.schema.json")
	must(t, err)
	must(t, json.Unmarshal(data, &schema))
	names := slices.Sorted(maps.Keys(schema.Properties))
	goldens := goldenFiles(t, "testdata/envelopes/*.json")
	files := slices.Sorted(maps.Keys(goldens))
	rdb := redistest.Start(t).Client()
	announce(t, rdb, undecided)
	client := newForeign(t, rdb)
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from []string) string { return from[random.IntN(len(from))] }
	refused := 0
	for range 4000 {
		var e map[string]json.RawMessage
		must(t, json.Unmarshal(goldens[pick(files)], &e))
		for range 1 + random.IntN(3) {
			switch name := pick(names); random.IntN(8) {
			case 0:
				delete(e, name)
			case 1:
				e[pick([]string{"Payload", "zz", "opts.format", ""})] = json.RawMessage(pick(oddValues))
			default:
				e[name] = json.RawMessage(pick(oddValues))
			}
		}
		data, err := json.Marshal(e)
		must(t, err)
		inGo, inLua := fieldOf(t, string(data)), fieldRefused(t, client, string(data))
		if inGo != inLua && !explained(data, inGo, inLua) {
			t.Errorf("DecodeEnvelope finds fault with %q, the script with %q: %s", inGo, inLua, data)
		}
		if inGo != "" {
			refused++
		}
	}
	if refused < 1000 || refused > 3800 {
		t.Errorf("%d of 4000 envelopes were refused: the mistakes are too few or too many", refused)
	}
}

// FuzzLuaAgainstGo lets the script in a real Redis and DecodeEnvelope judge the
// same bytes: they take and refuse the same, and name the same field but for the
// reasons given in envelope.lua.
func FuzzLuaAgainstGo(f *testing.F) {
	for _, tt := range leniencies {
		f.Add([]byte(tt.envelope))
	}
	for _, pattern := range []string{"testdata/envelopes/*.json", "testdata/envelopes/refused/*.json"} {
		for _, data := range goldenFiles(f, pattern) {
			f.Add(data)
		}
	}
	rdb := redistest.Start(f).Client()
	announce(f, rdb, undecided)
	client := newForeign(f, rdb)
	f.Fuzz(func(t *testing.T, data []byte) {
		envelope := string(data)
		inGo, inLua := fieldOf(t, envelope), fieldRefused(t, client, envelope)
		if inGo != inLua && !explained(data, inGo, inLua) {
			t.Errorf("DecodeEnvelope finds fault with %q, the script with %q: %q", inGo, inLua, envelope)
		}
		if inGo != "" || inLua != "" {
			return
		}
		e, err := tasks.DecodeEnvelope(data, 0)
		must(t, err)
		reply, err := client.enqueue(t.Context(), "{}", envelope)
		if err != nil {
			return // the key was used with other content
		}
		receipt := decodeReceipt(t, reply)
		if receipt.RoutingKey != e.RoutingKey() || receipt.Partition != setup().Scheme.Route(e.BridgeID, e.ExternalRoomID) {
			t.Errorf("the receipt %s is not of %q", reply, envelope)
		}
		if e.IdempotencyKey == "" {
			return
		}
		task := readTask(t, rdb, setup().Scheme.Queue(receipt.Partition), receipt.ID)
		if got := task.Message.Headers["outgate-fingerprint"]; got != e.Fingerprint() {
			t.Errorf("the script's fingerprint is %s, Go's %s: %q", got, e.Fingerprint(), envelope)
		}
	})
}

var (
	wholePair  = regexp.MustCompile(`\\u[dD][89abAB][[:xdigit:]]{2}\\u[dD][c-fC-F][[:xdigit:]]{2}`)
	surrogate  = regexp.MustCompile(`\\u[dD][89a-fA-F]`)
	inBrackets = regexp.MustCompile(`(?i)^https?:.*\[`)
)

// explained tells whether a difference is one of those that are documented.
func explained(data []byte, inGo, inLua string) bool {
	switch {
	case inLua == "(envelope)":
		text := wholePair.ReplaceAll(bytes.ReplaceAll(data, []byte(`\\`), nil), nil)
		return surrogate.Match(text) || tooDeep(data)
	case strings.HasSuffix(inGo, `"`) && strings.HasSuffix(inLua, `"`):
		parent, _, _ := strings.Cut(inGo, `"`)
		return strings.HasPrefix(inLua, parent+`"`)
	case inGo == "" && (inLua == "payload.url" || inLua == "payload.thumbnail_url"):
		e, err := tasks.DecodeEnvelope(data, 0)
		return err == nil && (inBrackets.MatchString(e.Payload.Media.URL) || inBrackets.MatchString(e.Payload.Media.ThumbnailURL))
	}
	return false
}

func tooDeep(data []byte) bool {
	depth, most, in, escaped := 0, 0, false, false
	for _, c := range data {
		switch {
		case escaped:
			escaped = false
		case in && c == '\\':
			escaped = true
		case c == '"':
			in = !in
		case in:
		case c == '[' || c == '{':
			depth++
			most = max(most, depth)
		case c == ']' || c == '}':
			depth--
		}
	}
	return most > 1000
}
