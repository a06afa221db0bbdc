package channels

import (
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/provider"
	"github.com/outgate/outgate/tasks"
)

// handlersDir has the folders of the channels.
const handlersDir = "../../../../handlers"

// folder is the folder of the file that a channel's Open is in.
func folder(spec *provider.Spec) string {
	pc := reflect.ValueOf(spec.Open).Pointer()
	file, _ := runtime.FuncForPC(pc).FileLine(pc)
	return filepath.Join(handlersDir, filepath.Base(filepath.Dir(file)))
}

// TestEveryChannelIsComplete tells whoever adds a channel what is missing.
func TestEveryChannelIsComplete(t *testing.T) {
	for _, spec := range List {
		t.Run(spec.Type, func(t *testing.T) {
			if spec.Open == nil {
				t.Fatal("got a Spec without Open, want one. Look at provider.Spec")
			}
			if got := filepath.Base(folder(&spec)); got != spec.Type {
				t.Errorf("got a Spec of type %q in package %s, want the name of the package", spec.Type, got)
			}
			checkDoc(t, &spec)
			checkKeys(t, &spec)
			checkOpened(t, &spec)
			checkRules(t, &spec)
			checkFacts(t, &spec)
			checkFake(t, &spec)
			checkSource(t, &spec)
		})
	}
	if len(Known) != len(List) {
		t.Errorf("got %d types of %d channels in List, want each once", len(Known), len(List))
	}
}

// TestEveryChannelIsInTheList finds the channels that List has forgotten.
func TestEveryChannelIsInTheList(t *testing.T) {
	files, err := filepath.Glob(handlersDir + "/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc Spec() provider.Spec {") {
			found[filepath.Base(filepath.Dir(file))] = true
		}
	}
	got, want := slices.Sorted(maps.Keys(Known)), slices.Sorted(maps.Keys(found))
	if !slices.Equal(got, want) {
		t.Errorf("got the channels %v in List, want those whose package has func Spec() provider.Spec: %v", got, want)
	}
}

func checkDoc(t *testing.T, spec *provider.Spec) {
	t.Helper()
	if !strings.HasPrefix(spec.Doc, "## "+spec.Type+"\n") {
		t.Errorf("got a Doc that begins with %.20q, want the heading %q. Look at doc.md", spec.Doc, "## "+spec.Type)
	}
	for line, wanted := range map[string]bool{"<!-- keys -->": len(spec.Keys) > 0, "<!-- rules -->": len(spec.Rules) > 0} {
		want := 0
		if wanted {
			want = 1
		}
		if got := strings.Count(spec.Doc, "\n"+line+"\n"); got != want {
			t.Errorf("got the line %s %d times, want it %d times. Look at doc.md", line, got, want)
		}
	}
}

var (
	keyForm  = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	kinds    = map[string]provider.Kind{provider.BaseURL: provider.Address, provider.AllowPrivate: provider.Flag}
	secretly = regexp.MustCompile(`token|secret|password|api_key`)
)

func checkKeys(t *testing.T, spec *provider.Spec) {
	t.Helper()
	taken := map[string]bool{"timeout": true}
	for f := range reflect.TypeFor[config.Bridge]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		taken[name] = true
	}
	for _, key := range spec.Keys {
		if taken[key.Name] || !keyForm.MatchString(key.Name) || strings.HasSuffix(key.Name, "_file") {
			t.Errorf("got the key %q, want a name of a-z, 0-9 and _ that no other key of the bridge has, without _file", key.Name)
		}
		taken[key.Name] = true
		if key.Help == "" || key.Example == "" || strings.ContainsAny(key.Help, "\n|") {
			t.Errorf("key %s: got the help %q and the example %q, want one line without | and a value", key.Name, key.Help, key.Example)
		}
		if secretly.MatchString(key.Name) && key.Kind != provider.Secret {
			t.Errorf("key %s: got a kind that is printed, want provider.Secret", key.Name)
		}
		if want, common := kinds[key.Name]; common && key.Kind != want {
			t.Errorf("key %s: got kind %d, want %d, as of every channel. Look at provider.Kind", key.Name, key.Kind, want)
		}
	}
}

// checkOpened opens the channel with and without each key.
func checkOpened(t *testing.T, spec *provider.Spec) {
	t.Helper()
	c := opened(t, spec, spec.Example())
	if c.Type() != spec.Type {
		t.Errorf("got a channel of type %q, want that of the Spec", c.Type())
	}
	sameLength := cmp.Comparer(func(a, b tasks.Length) bool { return a.Max == b.Max && (a.Of == nil) == (b.Of == nil) })
	if diff := cmp.Diff(c.Capabilities(), spec.Capabilities, sameLength); diff != "" {
		t.Errorf("got other capabilities in the Spec than the opened channel has (-channel +Spec):\n%s", diff)
	}
	for _, key := range spec.Keys {
		values := spec.Example()
		values[key.Name] = key.Example
		opened(t, spec, values)
		if !key.Needed {
			continue
		}
		delete(values, key.Name)
		_, err := spec.Open(provider.NewSettings(values, io.Discard))
		if fault, ok := errors.AsType[*tasks.ConfigError](err); !ok || fault.Field != key.Name || fault.Channel != spec.Type {
			t.Errorf("got the error %v of Open without %s, want a *tasks.ConfigError of that key: it is Needed", err, key.Name)
		}
	}
}

func checkRules(t *testing.T, spec *provider.Spec) {
	t.Helper()
	for i, rule := range spec.Rules {
		if err := rule.Validate(); err != nil {
			t.Errorf("rule %d, %+v: got the fault %v, want none", i, rule, err)
		}
		if rule.Reason == "" {
			t.Errorf("rule %d, %+v: got no reason, want one", i, rule)
		}
	}
}

var limitForm = regexp.MustCompile(`\d+/\d+m?s`)

// checkFacts compares the words of a Spec with what the channel does.
func checkFacts(t *testing.T, spec *provider.Spec) {
	t.Helper()
	if spec.Facts.Limits == "" {
		t.Error(`got no Facts.Limits, want those of Pace in words, or "none"`)
	}
	sends := slices.ContainsFunc(spec.Capabilities.Operations, tasks.Operation.IsMedia)
	if (spec.Facts.Media != "") != sends {
		t.Errorf("got %q for how media come to the provider, of a channel that sends media: %v. Want it if the channel sends any", spec.Facts.Media, sends)
	}
	if (spec.Facts.Unit != "") != (spec.Capabilities.Text.Max > 0) {
		t.Errorf("got the unit %q of a text of at most %d, want one if there is a limit", spec.Facts.Unit, spec.Capabilities.Text.Max)
	}
	limits := map[string]bool{}
	if pacer, ok := opened(t, spec, spec.Example()).(handlers.Pacer); ok {
		for _, room := range []string{"1", "-1", "@name"} {
			for _, op := range spec.Capabilities.Operations {
				pace := pacer.Pace(tasks.Message{Operation: op, ExternalRoomID: room})
				for _, limit := range slices.Concat(pace.Bridge, pace.Room) {
					limits[limit.String()] = true
				}
			}
		}
	}
	want := slices.Sorted(maps.Keys(limits))
	got := limitForm.FindAllString(spec.Facts.Limits, -1)
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("got the limits %v in Facts.Limits, want those of Pace: %v", got, want)
	}
}

// checkFake opens a bridge to the fake, and ends it.
func checkFake(t *testing.T, spec *provider.Spec) {
	t.Helper()
	if spec.Fake == nil {
		return
	}
	fakes, err := Fakes([]string{spec.Type})
	if err != nil {
		t.Fatal(err)
	}
	fake := fakes[0]
	if fake.Room == "" || fake.Lines == nil || fake.Serve == nil {
		t.Errorf("got the fake %+v, want a room, Lines and Serve", fake)
	}
	bridge, err := fake.Bridge(t.Context(), config.Default())
	if err != nil {
		t.Fatalf("got the error %v of a bridge to the fake, want none. Look at Fake.Values", err)
	}
	if c, ok := bridge.Channel.(handlers.Closer); ok {
		t.Cleanup(c.Close)
	}
	if got := fake.Lines(fake.Room); len(got) != 0 {
		t.Errorf("got the lines %q in the room of a new fake, want none", got)
	}
}
