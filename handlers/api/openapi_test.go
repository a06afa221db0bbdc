package api_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/handlers/ops"
)

const openAPIFile = "../../docs/api/openapi.yaml"

// spec is what the test reads of the OpenAPI file.
type spec struct {
	Paths      map[string]map[string]yaml.Node
	Components struct {
		Schemas map[string]schema
	}
}

type operation struct {
	OperationID string `yaml:"operationId"`
	Summary     string
	Responses   map[string]struct {
		Content map[string]struct{ Schema schema }
	}
}

type schema struct {
	Ref         string `yaml:"$ref"`
	Type        any
	Description string
	Properties  map[string]schema
	Items       *schema
	OneOf       []schema `yaml:"oneOf"`
}

// name is the schema that a reference names, in a list or beside null too.
func (s schema) name() string {
	for _, one := range s.OneOf {
		if one.Ref != "" {
			s = one
		}
	}
	if s.Items != nil {
		s = *s.Items
	}
	return strings.TrimPrefix(s.Ref, "#/components/schemas/")
}

func readSpec(t *testing.T) spec {
	t.Helper()
	text, err := os.ReadFile(openAPIFile)
	if err != nil {
		t.Fatal(err)
	}
	var s spec
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

// operations are the operations of a spec by method and path.
func (s spec) operations(t *testing.T) map[string]operation {
	t.Helper()
	all := make(map[string]operation)
	for path, methods := range s.Paths {
		for method, node := range methods {
			if method == "parameters" {
				continue
			}
			var o operation
			if err := node.Decode(&o); err != nil {
				t.Fatalf("%s %s: %v", method, path, err)
			}
			all[strings.ToUpper(method)+" "+path] = o
		}
	}
	return all
}

func TestTheOpenAPIFileHasTheRoutesOfTheHandler(t *testing.T) {
	g := newGateway(t, 1)
	routes := slices.Sorted(slices.Values(g.api.Routes()))
	if diff := cmp.Diff(slices.Sorted(maps.Keys(readSpec(t).operations(t))), routes); diff != "" {
		t.Errorf("in the file (-), in the handler (+):\n%s", diff)
	}
}

// described are the types that a schema stands for.
var described = map[string]any{
	"Overview": api.Overview{}, "Partitions": api.Partitions{}, "Partition": api.Partition{}, "Bridges": api.Bridges{},
	"Bridge": api.Bridge{}, "Suspension": ops.Suspension{}, "Unavailable": ops.Unavailable{}, "Budget": api.Budget{}, "Rooms": api.Rooms{}, "Room": api.Room{},
	"UnavailableRoom": api.UnavailableRoom{}, "Letters": api.Letters{}, "Letter": api.Letter{}, "Groups": api.Groups{},
	"Group": api.Group{}, "Filter": api.Filter{}, "Plan": api.Plan{}, "Jobs": api.Jobs{}, "Job": api.Job{}, "Trace": api.Trace{},
	"Step": api.Step{}, "Autoscale": api.Autoscale{}, "Fault": api.Fault{}, "Events": api.Events{}, "Event": api.Event{},
	"RecentAttempts": ops.RecentAttempts{},
}

// fields are the JSON names of a struct's fields, with the names of their types.
func fields(of reflect.Type) map[string]reflect.Type {
	all := make(map[string]reflect.Type)
	for f := range of.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			maps.Copy(all, fields(f.Type))
		case name != "-" && f.IsExported():
			all[name] = f.Type
		}
	}
	return all
}

func TestEveryFieldOfAnAnswerIsDescribed(t *testing.T) {
	s := readSpec(t)
	for name, value := range described {
		have, want := s.Components.Schemas[name].Properties, fields(reflect.TypeOf(value))
		if diff := cmp.Diff(slices.Sorted(maps.Keys(have)), slices.Sorted(maps.Keys(want))); diff != "" {
			t.Errorf("%s: in the file (-), in the answer (+):\n%s", name, diff)
			continue
		}
		for field, p := range have {
			if p.Description == "" {
				t.Errorf("%s.%s has no description", name, field)
			}
			checkType(t, name+"."+field, p, want[field])
		}
	}
	for name, other := range s.Components.Schemas {
		for field, p := range other.Properties {
			if to := p.name(); to != "" && s.Components.Schemas[to].Properties == nil {
				t.Errorf("%s.%s is a %s, which is not there", name, field, to)
			}
		}
	}
}

// checkType holds a schema against the type of a field.
func checkType(t *testing.T, name string, p schema, of reflect.Type) {
	t.Helper()
	nullable := of.Kind() == reflect.Pointer
	if nullable {
		of = of.Elem()
	}
	kinds := map[reflect.Kind]string{
		reflect.Int: "integer", reflect.Int64: "integer", reflect.Float64: "number", reflect.String: "string",
		reflect.Bool: "boolean", reflect.Slice: "array", reflect.Map: "object", reflect.Struct: "object",
	}
	want := kinds[of.Kind()]
	if of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Struct {
		if p.name() != of.Elem().Name() {
			t.Errorf("%s lists %q, the answer %s", name, p.name(), of.Elem().Name())
		}
	} else if to := p.name(); to != "" {
		if to != of.Name() {
			t.Errorf("%s is a %s, the answer has a %s", name, to, of.Name())
		}
		return
	}
	switch is := p.Type.(type) {
	case string:
		if is != want || nullable {
			t.Errorf("%s is a %s, the answer has a %s (null: %v)", name, is, want, nullable)
		}
	case []any:
		if is[0] != want || !nullable {
			t.Errorf("%s is a %v, the answer has a %s (null: %v)", name, is, want, nullable)
		}
	default:
		t.Errorf("%s has no type", name)
	}
}

func TestEveryOperationOfTheOpenAPIFileAnswers(t *testing.T) {
	g := newGateway(t, 2, bridge("sb", limited("50/1s")), bridge("held", holding))
	g.Work()
	dead := g.dead("sb", 2, 1, `{"fail":"terminal"}`)
	e := send("held", "a", `{"fail":"terminal"}`)
	e.IdempotencyKey = "k"
	g.EnqueueBatch(e, send("held", "a", ""))
	until(t, "its head is held", func() bool { return get[api.Overview](g, "/overview").DeadLetters == 3 })
	job := post[api.Job](g, "/dead-letters/replay", `{"filter":{"bridge":"sb"},"per_second":1}`, 202)
	post[api.Bridge](g, "/bridges/sb/suspend", "", 200)

	s := readSpec(t)
	operations := s.operations(t)
	queries := map[string]string{"findEnvelope": "?key=k&bridge=held&room=a", "listDeadLetters": "?limit=2"}
	ids := map[string]string{"suspendBridge": "sb", "resumeBridge": "sb", "getJob": job.ID, "stopJob": job.ID, "getEnvelope": dead[0].ID}
	order := slices.Sorted(maps.Keys(operations)) // DELETE, GET, POST
	for _, name := range order {
		o := operations[name]
		method, path, _ := strings.Cut(name, " ")
		body := ""
		if strings.Contains(path, "/dead-letters/") && method == "POST" {
			body = `{"dry_run":true}`
		}
		path = strings.Replace(path, "{id}", ids[o.OperationID], 1) + queries[o.OperationID]
		status, text := request(t, method, g.url+path, body, "Content-Type", "application/json")
		want, known := o.Responses[map[int]string{200: "200", 202: "202"}[status]]
		if !known || o.Summary == "" || o.OperationID == "" {
			t.Errorf("%s %s answers %d, which the file does not: %s", method, path, status, text)
			continue
		}
		var answer any
		if err := json.Unmarshal(text, &answer); err != nil {
			t.Fatal(err)
		}
		checkAnswer(t, s, name, want.Content["application/json"].Schema, answer)
	}
}

// checkAnswer holds an answer against its schema.
func checkAnswer(t *testing.T, s spec, at string, want schema, answer any) {
	t.Helper()
	switch v := answer.(type) {
	case map[string]any:
		if name := want.name(); name != "" {
			want = s.Components.Schemas[name]
		}
		if want.Properties == nil {
			return // any object
		}
		for field, value := range v {
			p, known := want.Properties[field]
			if !known {
				t.Errorf("%s: the file does not have %s", at, field)
				continue
			}
			checkAnswer(t, s, at+"."+field, p, value)
		}
	case []any:
		for _, one := range v {
			if want.Items == nil {
				t.Errorf("%s: the file does not say that it is a list", at)
				return
			}
			checkAnswer(t, s, at+"[]", *want.Items, one)
		}
	}
}
