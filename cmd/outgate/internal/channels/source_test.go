package channels

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/outgate/outgate/handlers/provider"
	"github.com/outgate/outgate/tasks"
)

const module = "github.com/outgate/outgate/"

// imported are what a channel may import of this module, beside its own folder.
var imported = []string{
	"tasks", "classify", "ratelimit", "handlers/provider", "handlers/httpsend", "handlers/markup",
	"handlers/internal/fakes", "handlers/internal/media",
}

// checkSource looks into the files of a channel's folder.
func checkSource(t *testing.T, spec *provider.Spec) {
	t.Helper()
	dir := folder(spec)
	text, err := os.ReadFile(filepath.Join(dir, "conformance_test.go"))
	if err != nil || !strings.Contains(string(text), "channeltest.Run(t, ") {
		t.Errorf("got no conformance_test.go that calls channeltest.Run (%v), want one", err)
	}
	files, err := filepath.Glob(dir + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		checkImports(t, set, file, spec.Type)
		if len(spec.Rules) > 0 || spec.Capabilities.Idempotency == tasks.Native {
			checkErrors(t, set, file)
		}
	}
}

func checkImports(t *testing.T, set *token.FileSet, file *ast.File, channel string) {
	t.Helper()
	for _, spec := range file.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		path, ours := strings.CutPrefix(path, module)
		if ours && !slices.Contains(imported, path) && !strings.HasPrefix(path, "handlers/"+channel+"/") {
			t.Errorf("%s: got an import of %s, want none: a channel knows neither the worker nor another channel",
				set.Position(spec.Pos()), path)
		}
	}
}

// checkErrors checks that each error is made with the table by which it is judged.
func checkErrors(t *testing.T, set *token.FileSet, file *ast.File) {
	t.Helper()
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		of, ok := lit.Type.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, _ := of.X.(*ast.Ident)
		if name := pkg.Name + "." + of.Sel.Name; name != "classify.Error" && name != "httpsend.Config" {
			return true
		}
		keys := map[string]bool{}
		for _, e := range lit.Elts {
			if pair, ok := e.(*ast.KeyValueExpr); ok {
				keys[pair.Key.(*ast.Ident).Name] = true
			}
		}
		if !keys["Channel"] || !keys["Table"] {
			t.Errorf("%s: got a %s.%s without Channel or Table, want both: without its Table an error is judged by the rules of HTTP alone",
				set.Position(lit.Pos()), pkg.Name, of.Sel.Name)
		}
		return true
	})
}
