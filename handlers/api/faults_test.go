package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/ratelimit"
)

// refused is the error of an answer.
func refused(t *testing.T, text []byte) (code, message, field string) {
	t.Helper()
	var v struct {
		Error struct{ Code, Message, Field string }
	}
	if err := json.Unmarshal(text, &v); err != nil || v.Error.Code == "" || v.Error.Message == "" {
		t.Fatalf("no error: %s", text)
	}
	return v.Error.Code, v.Error.Message, v.Error.Field
}

func TestBadInputIsRefusedByTheNameOfItsField(t *testing.T) {
	g := newGateway(t, 2, bridge("sb"))
	tests := map[string]struct {
		method, path, body string
		status             int
		field              string
	}{
		"a parameter that nobody knows":        {"GET", "/overview?page=1", "", 400, "page"},
		"a parameter given twice":              {"GET", "/rooms?limit=1&limit=2", "", 400, "limit"},
		"a limit that is no number":            {"GET", "/rooms?limit=many", "", 400, "limit"},
		"a limit above the most":               {"GET", "/dead-letters?limit=501", "", 400, "limit"},
		"a partition that is not there":        {"GET", "/rooms?partition=2", "", 400, "partition"},
		"a cursor of one's own making":         {"GET", "/dead-letters?cursor=abc", "", 400, "cursor"},
		"a category that is none":              {"GET", "/dead-letters?category=odd", "", 400, "category"},
		"a time that is none":                  {"GET", "/dead-letters?since_ms=yesterday", "", 400, "since_ms"},
		"a filter by a time before all":        {"POST", "/dead-letters/drop", `{"filter":{"since_ms":-1}}`, 400, "filter.since_ms"},
		"an id that is none":                   {"GET", "/envelopes/abc", "", 400, "id"},
		"an id of another scheme":              {"GET", "/envelopes/007-000660dcce68e4bb", "", 400, "id"},
		"an envelope that is not there":        {"GET", "/envelopes/001-000660dcce68e4bb", "", 404, "id"},
		"a key without its room":               {"GET", "/envelopes?key=k&bridge=sb", "", 400, "room"},
		"a key that nobody used":               {"GET", "/envelopes?key=k&bridge=sb&room=r", "", 404, "key"},
		"a path that is none":                  {"GET", "/nothing", "", 404, ""},
		"a method that the path has not":       {"PUT", "/overview", "", 405, ""},
		"a field that nobody knows":            {"POST", "/dead-letters/replay", `{"fast":true}`, 400, "fast"},
		"a field of another type":              {"POST", "/dead-letters/replay", `{"per_second":"5"}`, 400, "per_second"},
		"a pace above the most":                {"POST", "/dead-letters/drop", `{"per_second":1001}`, 400, "per_second"},
		"a filter by a partition not there":    {"POST", "/dead-letters/drop", `{"filter":{"partition":9}}`, 400, "filter.partition"},
		"a body that is no JSON":               {"POST", "/dead-letters/replay", `{`, 400, ""},
		"a body of two values":                 {"POST", "/dead-letters/replay", `{}{}`, 400, ""},
		"a body that is too long":              {"POST", "/bridges/sb/suspend", `{"reason":"` + strings.Repeat("x", 70_000) + `"}`, 400, ""},
		"a reason that is too long":            {"POST", "/bridges/sb/suspend", `{"reason":"` + strings.Repeat("x", 501) + `"}`, 400, "reason"},
		"a bridge that is not there":           {"POST", "/bridges/nobody/resume", `{}`, 404, "id"},
		"a job that is not there":              {"GET", "/jobs/nobody", "", 404, "id"},
		"a parameter where something is acted": {"POST", "/bridges/sb/resume?x=1", `{}`, 400, "x"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			status, text := request(t, test.method, g.url+api.Root+test.path, test.body, "Content-Type", "application/json")
			if _, _, field := refused(t, text); status != test.status || field != test.field {
				t.Errorf("%d %s", status, text)
			}
		})
	}
}

func TestAFieldOfAnotherTypeIsToldWhichIsWanted(t *testing.T) {
	g := newGateway(t, 1, bridge("sb"))
	for body, want := range map[string]string{
		`[]`:                          "is of JSON's type array, want an object",
		`{"per_second":"5"}`:          "is of JSON's type string, want an integer",
		`{"per_second":1.5}`:          "is of JSON's type number 1.5, want an integer",
		`{"dry_run":1}`:               "is of JSON's type number, want a boolean",
		`{"filter":{"reason":1}}`:     "is of JSON's type number, want a string",
		`{"filter":{"partition":""}}`: "is of JSON's type string, want an integer",
		`{"filter":{"since_ms":""}}`:  "is of JSON's type string, want an integer",
	} {
		status, text := request(t, "POST", g.url+api.Root+"/dead-letters/drop", body, "Content-Type", "application/json")
		if _, message, _ := refused(t, text); status != 400 || message != want {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
}

func TestOnlyTheSameOriginChangesAnything(t *testing.T) {
	g := newGateway(t, 1, bridge("sb"))
	const path, asJSON = "/bridges/sb/suspend", "application/json"
	tests := map[string]struct {
		headers []string
		status  int
	}{
		"a form of another site's":       {[]string{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site"}, 403},
		"another site with JSON":         {[]string{"Content-Type", asJSON, "Sec-Fetch-Site", "cross-site"}, 403},
		"another host of the same site":  {[]string{"Content-Type", asJSON, "Sec-Fetch-Site", "same-site"}, 403},
		"an old browser, another origin": {[]string{"Content-Type", asJSON, "Origin", "https://example.org"}, 403},
		"plain text":                     {[]string{"Content-Type", "text/plain"}, 415},
		"no type at all":                 {nil, 415},
		"the page itself":                {[]string{"Content-Type", asJSON + "; charset=utf-8", "Sec-Fetch-Site", "same-origin"}, 200},
		"the command line":               {[]string{"Content-Type", asJSON}, 200},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if err := g.Redis.Del(t.Context(), "outgate:bridges:suspended").Err(); err != nil {
				t.Fatal(err)
			}
			status, text := request(t, "POST", g.url+api.Root+path, `{}`, test.headers...)
			if status != test.status {
				t.Errorf("%d %s", status, text)
			}
			if suspended := g.Redis.Exists(t.Context(), "outgate:bridges:suspended").Val() == 1; suspended != (status == 200) {
				t.Errorf("suspended: %v after %d", suspended, status)
			}
		})
	}
}

func TestReadingChangesNothing(t *testing.T) {
	g := newGateway(t, 2, bridge("sb"))
	r := g.Enqueue(send("sb", "a", ""))
	dump := func() map[string]string {
		all := make(map[string]string)
		for _, key := range g.Redis.Keys(t.Context(), "*").Val() {
			all[key] = g.Redis.Dump(t.Context(), key).Val()
		}
		return all
	}
	before := dump()
	for _, path := range []string{
		"/overview", "/partitions", "/bridges", "/rooms", "/rooms?partition=1", "/dead-letters", "/dead-letters/groups",
		"/jobs", "/autoscale", "/envelopes/" + r.ID,
	} {
		get[any](g, path)
	}
	for _, path := range []string{"/bridges/sb/suspend", "/dead-letters/replay", "/dead-letters/drop"} {
		if status, _ := request(t, "GET", g.url+api.Root+path, "", "Content-Type", "application/json"); status != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: %d", path, status)
		}
	}
	after := dump()
	for key, value := range after {
		if before[key] != value {
			t.Errorf("%s changed", key)
		}
	}
	if len(before) != len(after) {
		t.Errorf("%d keys before, %d after", len(before), len(after))
	}
}

// A key that is not there is asked for before the one of another type.
func TestAKeyOfAnotherTypeIsAnError(t *testing.T) {
	for name, test := range map[string]func(g *gateway, id string) (key, path string){
		"of a bridge": func(*gateway, string) (string, string) { return ratelimit.Key("sb", "closures"), "/rooms" },
		"of an envelope": func(g *gateway, id string) (string, string) {
			return partition.Keys{Queue: g.Config.Scheme.Queue(0)}.Steps(id), "/envelopes/" + id
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, 1, bridge("sb"))
			key, path := test(g, g.Enqueue(send("sb", "a", "")).ID)
			if err := g.Redis.RPush(t.Context(), key, "x").Err(); err != nil {
				t.Fatal(err)
			}
			if status, text := request(t, "GET", g.url+api.Root+path, ""); status < 500 {
				t.Errorf("got %d %s, want an error", status, text)
			}
		})
	}
}

func TestWhenRedisIsAwayTheAnswerSaysSo(t *testing.T) {
	t.Parallel()
	g := newGateway(t, 1, bridge("sb"))
	g.Server.Kill()
	for _, path := range []string{"/overview", "/partitions", "/bridges", "/rooms", "/dead-letters", "/dead-letters/groups", "/jobs", "/autoscale"} {
		status, text := request(t, "GET", g.url+api.Root+path, "")
		if code, message, _ := refused(t, text); status != 503 || code != "unavailable" || strings.Contains(message, "127.0.0.1") {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
}
