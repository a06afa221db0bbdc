package lua_test

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	gopher "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"

	"github.com/outgate/outgate/partition/lua"
)

// files are a script's own, by name.
func files(texts map[string]string) fs.FS {
	all := make(fstest.MapFS)
	for name, text := range texts {
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return all
}

func TestLoadPutsEachLibraryInOnceAboveItsFirstUser(t *testing.T) {
	got, err := lua.Load(files(map[string]string{
		"script.lua": "-- script\n-- @include b.lua\n-- @include a.lua\nreturn a() + b()\n",
		"a.lua":      "local function a() return 1 end\n",
		"b.lua":      "-- @include a.lua\nlocal function b() return a() end", // no newline at its end
	}), "script.lua")
	want := strings.Join([]string{
		"-- script",
		"-- @include b.lua",
		"-- @include a.lua",
		"local function a() return 1 end",
		"-- end of a.lua",
		"local function b() return a() end",
		"-- end of b.lua",
		"-- @include a.lua",
		"return a() + b()",
		"",
	}, "\n")
	if err != nil || got != want {
		t.Errorf("got (%v)\n%s\nwant\n%s", err, got, want)
	}
}

func TestLoadFindsTheSharedLibraries(t *testing.T) {
	got, err := lua.Load(files(map[string]string{"script.lua": "-- @include queue.lua\nreturn run\n"}), "script.lua")
	if err != nil {
		t.Fatal(err)
	}
	// queue.lua includes keys.lua, and both are there once.
	for _, line := range []string{"local tag = KEYS[1]\n", "local function run(", "-- end of keys.lua\n", "-- end of queue.lua\n"} {
		if n := strings.Count(got, line); n != 1 {
			t.Errorf("got %q %d times, want once, in\n%s", line, n, got)
		}
	}
}

func TestLoadSaysWhereAFaultIs(t *testing.T) {
	for _, test := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"no such script", nil, "there is no file s.lua beside the script or among the shared libraries"},
		{
			"no such library",
			map[string]string{"s.lua": "--\n-- @include a.lua\n", "a.lua": "-- @include nowhere.lua\n"},
			"s.lua:2: a.lua:1: there is no file nowhere.lua beside the script or among the shared libraries",
		},
		{
			"a circle",
			map[string]string{"s.lua": "-- @include a.lua\n", "a.lua": "\n-- @include b.lua\n", "b.lua": "-- @include a.lua\n"},
			"s.lua:1: a.lua:2: b.lua:1: circle of includes: s.lua, a.lua, b.lua, a.lua",
		},
		{
			"a script that includes itself",
			map[string]string{"s.lua": "-- @include s.lua\n"},
			"s.lua:1: circle of includes: s.lua, s.lua",
		},
		{
			"a name of a shared library",
			map[string]string{"s.lua": "-- @include keys.lua\n", "keys.lua": "\n"},
			"s.lua:1: keys.lua is a file of the script and a shared library",
		},
		{
			"an include inside a function",
			map[string]string{"s.lua": "local function f()\n  -- @include a.lua\nend\n", "a.lua": "\n"},
			`s.lua:2: want "-- @include " and a file's name, from the first column on, got "  -- @include a.lua"`,
		},
		{
			"no name",
			map[string]string{"s.lua": "-- @include\n"},
			`s.lua:1: want "-- @include " and a file's name, from the first column on, got "-- @include"`,
		},
		{
			"two names",
			map[string]string{"s.lua": "-- @include a.lua b.lua\n", "a.lua": "\n"},
			`s.lua:1: want "-- @include " and a file's name, from the first column on, got "-- @include a.lua b.lua"`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := lua.Load(files(test.files), "s.lua")
			if got != "" || err == nil || err.Error() != test.want {
				t.Errorf("got %q and the error\n%v\nwant the error\n%s", got, err, test.want)
			}
		})
	}
}

func TestMustLoadPanicsOnAFault(t *testing.T) {
	defer func() {
		if err, ok := recover().(error); !ok || !strings.Contains(err.Error(), "there is no file") {
			t.Errorf("got the panic %v, want one that names the fault", err)
		}
	}()
	lua.MustLoad(files(nil), "s.lua")
}

// given are the names that Redis gives a script.
var given = []string{
	"KEYS", "ARGV", "redis", "cjson", "string", "table", "math", "ipairs", "pairs", "pcall", "next", "tonumber", "tostring",
	"type", "unpack",
}

// TestEveryFileIncludesWhatItUses looks for names that are neither local nor Redis':
// Redis finds them only once a call comes to them.
func TestEveryFileIncludesWhatItUses(t *testing.T) {
	seen := 0
	for _, folder := range []string{".", "..", "../../tasks", "../../ratelimit"} {
		names, err := fs.Glob(os.DirFS(folder), "*.lua")
		if err != nil {
			t.Fatal(err)
		}
		own := os.DirFS(folder)
		if folder == "." {
			own = files(nil)
		}
		for _, name := range names {
			seen++
			t.Run(path.Join(folder, name), func(t *testing.T) {
				text, err := lua.Load(own, name)
				if err != nil {
					t.Fatal(err)
				}
				for _, name := range globals(t, text) {
					if !slices.Contains(given, name) {
						t.Errorf("it uses %s, which no file that it includes has", name)
					}
				}
			})
		}
	}
	if seen < 30 {
		t.Errorf("looked at %d files, want all of the module's", seen)
	}
}

// globals are the names that a chunk reads or writes and does not declare.
func globals(t *testing.T, text string) []string {
	t.Helper()
	chunk, err := parse.Parse(strings.NewReader(text), "chunk")
	if err != nil {
		t.Fatal(err)
	}
	proto, err := gopher.Compile(chunk, "chunk")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	var walk func(p *gopher.FunctionProto)
	walk = func(p *gopher.FunctionProto) {
		for _, code := range p.Code {
			if op := int(code >> 26); op == gopher.OP_GETGLOBAL || op == gopher.OP_SETGLOBAL {
				names = append(names, p.Constants[code&0x3ffff].String())
			}
		}
		for _, inner := range p.FunctionPrototypes {
			walk(inner)
		}
	}
	walk(proto)
	slices.Sort(names)
	return slices.Compact(names)
}

func TestGlobalsFindsUndeclaredNames(t *testing.T) {
	got := globals(t, "local a = b\nlocal function f() c = a + d end\nreturn f")
	if want := []string{"b", "c", "d"}; !slices.Equal(got, want) {
		t.Errorf("globals = %v, want %v", got, want)
	}
}
