package layout_test

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/layout"
	"github.com/outgate/outgate/partition/redistest"
)

var update = flag.Bool("update", false, "write docs/redis.md")

const page = "../../docs/redis.md"

func TestThePageIsMadeOfTheList(t *testing.T) {
	if *update {
		if err := os.WriteFile(page, []byte(layout.Page()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil || string(got) != layout.Page() {
		t.Errorf("%s is not what the list says (%v): go test ./partition/layout -update writes it", page, err)
	}
}

// keys are all that is listed, by pattern.
func keys() map[string]layout.Key {
	all := make(map[string]layout.Key)
	for _, g := range layout.Groups {
		for _, k := range g.Keys {
			all[k.Pattern] = k
		}
	}
	return all
}

func TestEachRowSaysAllOfItsKey(t *testing.T) {
	seen := make(map[string]bool)
	for _, g := range layout.Groups {
		for _, k := range g.Keys {
			if seen[k.Pattern] {
				t.Errorf("%s is listed twice", k.Pattern)
			}
			seen[k.Pattern] = true
			if k.Holds == "" || k.Writers == "" || k.Readers == "" || k.Life == "" {
				t.Errorf("%s: a cell of its row is empty: %+v", k.Pattern, k)
			}
			if (k.Type == layout.Hash || k.Type == layout.Stream) == (len(k.Fields) == 0) {
				t.Errorf("%s is a %s with %d fields", k.Pattern, k.Type, len(k.Fields))
			}
		}
	}
}

// TestEveryKeyOfAPartitionIsListed calls every method of partition.Keys.
func TestEveryKeyOfAPartitionIsListed(t *testing.T) {
	// The generic ones build others.
	generic := []string{"Tag", "Asynq"}
	listed := keys()
	of := reflect.ValueOf(partition.Keys{Queue: "QUEUE"})
	for i := range of.NumMethod() {
		name, method := of.Type().Method(i).Name, of.Method(i)
		if slices.Contains(generic, name) {
			continue
		}
		found := ""
		for _, word := range []string{"ID", "LINE", "HASH", "NAME", "WORKER", "DATE"} {
			args := make([]reflect.Value, method.Type().NumIn())
			for j := range args {
				args[j] = reflect.ValueOf(word)
				if method.Type().In(j) == reflect.TypeFor[time.Time]() {
					args[j] = reflect.ValueOf(time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC))
				}
			}
			key := strings.Replace(method.Call(args)[0].String(), "2026-01-02", "DATE", 1)
			if _, ok := listed[key]; ok {
				found = key
			}
		}
		if found == "" {
			t.Errorf("Keys.%s is of no row", name)
		}
	}
}

// TestEveryKeyOfTheGatewayIsListed looks for the constants and functions whose names
// end in Key in the list's source.
func TestEveryKeyOfTheGatewayIsListed(t *testing.T) {
	list, err := os.ReadFile("groups.go")
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "../gateway.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	ast.Inspect(file, func(n ast.Node) bool {
		switch d := n.(type) {
		case *ast.FuncDecl:
			names = append(names, d.Name.Name)
			return false
		case *ast.ValueSpec:
			for _, name := range d.Names {
				names = append(names, name.Name)
			}
		}
		return true
	})
	n := 0
	for _, name := range names {
		if !strings.HasSuffix(name, "Key") && !strings.HasSuffix(name, "TTL") && name != "AttemptsFields" {
			continue
		}
		n++
		if name != "UnavailableTTL" && !strings.Contains(string(list), "partition."+name) {
			t.Errorf("partition.%s is of no row", name)
		}
	}
	if n < 20 {
		t.Errorf("found %d names in gateway.go, want all of its keys: %q", n, names)
	}
}

func TestEveryFieldOfATaskIsListed(t *testing.T) {
	task := keys()[partition.Keys{Queue: "QUEUE"}.Task("ID")]
	var listed []string
	for _, f := range task.Fields {
		listed = append(listed, f.Name)
	}
	known := partition.TaskFields()
	slices.Sort(listed)
	slices.Sort(known)
	if !slices.Equal(listed, known) {
		t.Errorf("listed are %q, want %q", listed, known)
	}
}

// TestNoOtherPackageNamesAKey looks at the literals of all packages but partition and
// ratelimit: who needs a key or a field asks those.
func TestNoOtherPackageNamesAKey(t *testing.T) {
	name := regexp.MustCompile(`^["\x60](og_[a-z]+|outgate:[a-z{]|asynq:)`)
	files := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch rel := strings.TrimPrefix(path, "../../"); {
		case err != nil:
			return err
		case d.IsDir() && (rel == "partition" || rel == "ratelimit" || rel == ".git"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files++
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && name.MatchString(l.Value) {
				t.Errorf("%s: %s names a key or a field of Redis, want a function of partition or ratelimit", set.Position(l.Pos()), l.Value)
			}
			return true
		})
		return nil
	})
	if err != nil || files < 200 {
		t.Errorf("looked at %d files, want all of the module: %v", files, err)
	}
}

func TestAKeyIsOfOneRow(t *testing.T) {
	k := partition.Keys{Queue: "a-b_c-025"}
	for key, want := range map[string]string{
		k.Dead():                         "outgate:{QUEUE}:dead",
		k.DeadLetter("025-0006"):         "outgate:{QUEUE}:dead:ID",
		k.LineOf("tg:!a:b:8448:$x:{y}"):  "outgate:{QUEUE}:line:LINE",
		k.LineOf("tg:line\u2028 feed\n"): "outgate:{QUEUE}:line:LINE",
		k.Processed():                    "asynq:{QUEUE}:processed",
		k.ProcessedOn(time.Unix(0, 0)):   "asynq:{QUEUE}:processed:DATE",
		partition.JobKey("x"):            "outgate:job:JOB",
		partition.JobStopKey("x"):        "outgate:job:JOB:stop",
		"outgate:limit:{tg}:closed":      "outgate:limit:{BRIDGE}:closed[@ROUTE][:ROOM]",
		"outgate:limit:{tg}:slots@a:b:c": "outgate:limit:{BRIDGE}:slots[@ROUTE][:ROOM]",
		"asynq:servers:{host:1:x-y}":     "asynq:servers:{SERVER}",
		"outgate:{outbound-007}:deadly":  "",
		"outgate:{outbound-007}:wake":    "", // a channel
		"asynq:{outbound-007}:t":         "",
		"other":                          "",
	} {
		if got, ok := layout.Find(key); got.Pattern != want || ok != (want != "") {
			t.Errorf("%q is %q, want %q", key, got.Pattern, want)
		}
	}
}

func TestCheckFindsWhatIsNotAsListed(t *testing.T) {
	rdb := redistest.Start(t).Client()
	k := partition.Keys{Queue: "outbound-000"}
	for _, err := range []error{
		rdb.HSet(t.Context(), k.State(), "level", 1, "level:shed", 1, "seen", 1).Err(),
		rdb.Set(t.Context(), k.Heads(), "x", 0).Err(),
		rdb.Set(t.Context(), k.Outcome("1"), "{}", 0).Err(),
		rdb.Set(t.Context(), k.Processed(), 1, time.Minute).Err(),
		rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: k.In(), Values: []any{"envelope", "{}", "odd", "x"}}).Err(),
		rdb.Set(t.Context(), "stranger", "x", 0).Err(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := layout.Check(t.Context(), rdb)
	want := []string{
		"asynq:{outbound-000}:processed ends by itself, the list says that it stays",
		"outgate:in:{outbound-000} has the field odd, which is not on the list",
		"outgate:{outbound-000}:heads is a string, the list says hash",
		"outgate:{outbound-000}:outcome:1 stays, the list says that it ends by itself",
		"outgate:{outbound-000}:state has the field seen, which is not on the list",
		"stranger is not on the list",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got (%v)\n%s\nwant\n%s", err, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
