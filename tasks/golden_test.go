package tasks_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/outgate/outgate/tasks"
)

// beyondSchema are the refused envelopes that a JSON schema takes, and why.
var beyondSchema = map[string]string{
	"013-invalid-utf8":                        "a schema sees characters",
	"014-invalid-utf8-in-metadata":            "a schema sees characters",
	"040-room-of-514-bytes-in-257-characters": "a schema counts characters",
	"041-half-a-surrogate-pair-in-room":       "a schema sees characters",
	"049-half-a-surrogate-pair-in-text":       "a schema sees characters",
	"050-high-surrogate-and-no-low-one":       "a schema sees characters",
	"062-url-with-port-and-no-host":           "the pattern is kept simple",
	"064-url-broken-escape":                   "the pattern is kept simple",
	"082-half-a-surrogate-pair-in-caption":    "a schema sees characters",
	"098-half-a-surrogate-pair-in-metadata":   "a schema sees characters",
	"099-metadata-nested-too-deep":            "a schema does not count levels",
	"109-max-attempts-written-with-a-point":   "1.0 is an integer to a schema",
	"111-base-backoff-with-exponent":          "1e3 is an integer to a schema",
	"113-max-backoff-less-than-base":          "a schema compares no two fields",
	"119-session-key-nested-too-deep":         "a schema does not count levels",
}

func TestAcceptedEnvelopesAgreeWithTheSchema(t *testing.T) {
	schema := compileSchema(t, "envelope")
	for name, data := range goldenFiles(t, "testdata/envelopes/*.json") {
		t.Run(name, func(t *testing.T) {
			e, err := tasks.DecodeEnvelope(data, 0)
			if err != nil {
				t.Fatalf("DecodeEnvelope: %v", err)
			}
			if err := schema.Validate(schemaValue(t, data)); err != nil {
				t.Errorf("the schema refuses it: %v", err)
			}
			encoded, err := e.Encode()
			if err != nil {
				t.Fatalf("Encode: %v", err)
			}
			if err := schema.Validate(schemaValue(t, encoded)); err != nil {
				t.Errorf("the schema refuses what Encode wrote: %v", err)
			}
			again, err := tasks.DecodeEnvelope(encoded, 0)
			if err != nil {
				t.Fatalf("DecodeEnvelope of what Encode wrote: %v", err)
			}
			if diff := cmp.Diff(e, again, cmp.Transformer("compact", compact)); diff != "" {
				t.Errorf("Encode changed the envelope (-before +after):\n%s", diff)
			}
		})
	}
}

func TestRefusedEnvelopesNameTheField(t *testing.T) {
	for name, data := range goldenFiles(t, "testdata/envelopes/refused/*.json") {
		t.Run(name, func(t *testing.T) {
			want, err := os.ReadFile(filepath.Join("testdata/envelopes/refused", name+".field"))
			if err != nil {
				t.Fatal(err)
			}
			e, err := tasks.DecodeEnvelope(data, 0)
			invalid, ok := errors.AsType[*tasks.InvalidError](err)
			if !ok {
				t.Fatalf("DecodeEnvelope = %v, want an *InvalidError", err)
			}
			if want := strings.TrimSuffix(string(want), "\n"); invalid.Field != want {
				t.Errorf("field = %q, want %q (%v)", invalid.Field, want, err)
			}
			if !errors.Is(err, tasks.ErrInvalid) {
				t.Errorf("%v is not ErrInvalid", err)
			}
			if diff := cmp.Diff(tasks.Envelope{}, e); diff != "" {
				t.Errorf("an envelope came with the error:\n%s", diff)
			}
		})
	}
}

func TestTheSchemaRefusesWhatItCanExpress(t *testing.T) {
	schema := compileSchema(t, "envelope")
	seen := 0
	for name, data := range goldenFiles(t, "testdata/envelopes/refused/*.json") {
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		refused := err != nil || schema.Validate(value) != nil
		why, beyond := beyondSchema[name]
		if beyond {
			seen++
		}
		switch {
		case !refused && !beyond:
			t.Errorf("%s: the decoder refuses it, the schema does not", name)
		case refused && beyond:
			t.Errorf("%s: the schema refuses it after all, though %s", name, why)
		}
	}
	if seen != len(beyondSchema) {
		t.Errorf("%d of %d envelopes beyond the schema have a file", seen, len(beyondSchema))
	}
}

func TestGoldensCoverEveryFieldOfTheEnvelope(t *testing.T) {
	var refused []string
	for name := range goldenFiles(t, "testdata/envelopes/refused/*.json") {
		field, err := os.ReadFile(filepath.Join("testdata/envelopes/refused", name+".field"))
		if err != nil {
			t.Fatal(err)
		}
		refused = append(refused, strings.TrimSpace(string(field)))
	}
	var schema struct {
		Properties map[string]struct{ Properties map[string]any }
		Defs       struct {
			Media struct{ Properties map[string]any }
		} `json:"$defs"`
	}
	data, err := tasks.Schemas.ReadFile("schema/envelope.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	var fields []string
	for name, property := range schema.Properties {
		fields = append(fields, name)
		for sub := range property.Properties {
			fields = append(fields, name+"."+sub)
		}
	}
	for sub := range schema.Defs.Media.Properties {
		fields = append(fields, "payload."+sub)
	}
	if len(fields) < 35 {
		t.Fatalf("the schema has only %d fields", len(fields))
	}
	for _, field := range fields {
		if !slices.Contains(refused, field) {
			t.Errorf("no refused envelope is about %s", field)
		}
	}
}

// goldenFiles returns the files of a pattern by their name without extension.
func goldenFiles(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files at %s (%v)", pattern, err)
	}
	files := make(map[string][]byte, len(paths))
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimSuffix(filepath.Base(path), ".json")] = data
	}
	return files
}

func compileSchema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	for _, name := range []string{"envelope", "outcome", "receipt"} {
		data, err := tasks.Schemas.ReadFile("schema/" + name + ".schema.json")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource("urn:outgate:schema:"+name, schemaValue(t, data)); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := c.Compile("urn:outgate:schema:" + name)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func schemaValue(t *testing.T, data []byte) any {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if len(raw) > 0 {
		_ = json.Compact(&b, raw)
	}
	return b.String()
}
