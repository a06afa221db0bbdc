package channels

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/cmd/outgate/internal/config"
)

var updatePage = flag.Bool("update", false, "write the tables of docs/channels.md")

const channelsPage = "../../../../docs/channels.md"

// ruleSource reads rules from the source of classify.
type ruleSource struct {
	t     *testing.T
	files *token.FileSet
	// values are what the names in the rules stand for.
	values map[string]string
}

func newRuleSource(t *testing.T) *ruleSource {
	t.Helper()
	s := &ruleSource{t: t, files: token.NewFileSet(), values: map[string]string{
		"Retryable": string(classify.Retryable), "Terminal": string(classify.Terminal), "Fatal": string(classify.Fatal),
	}}
	for status := 100; status < 600; status++ {
		if text := http.StatusText(status); text != "" {
			s.values["Status"+strings.NewReplacer(" ", "", "-", "").Replace(text)] = strconv.Itoa(status)
		}
	}
	ast.Inspect(s.parse("reason"), func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
			if text, ok := v.Values[0].(*ast.BasicLit); ok && text.Kind == token.STRING {
				s.values[v.Names[0].Name], _ = strconv.Unquote(text.Value)
			}
		}
		return true
	})
	return s
}

func (s *ruleSource) parse(name string) *ast.File {
	s.t.Helper()
	f, err := parser.ParseFile(s.files, "../../../../classify/"+name+".go", nil, parser.ParseComments)
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

// value is what an expression of a rule stands for.
func (s *ruleSource) value(e ast.Expr) string {
	name := ""
	switch e := e.(type) {
	case *ast.BasicLit:
		text, _ := strconv.Unquote(e.Value)
		return text
	case *ast.Ident:
		name = e.Name
	case *ast.SelectorExpr:
		name = e.Sel.Name
	}
	v, ok := s.values[name]
	if !ok {
		s.t.Fatalf("%s: %T %s is not known", s.files.Position(e.Pos()), e, name)
	}
	return v
}

// rule is one of a table, as the page tells it.
type rule struct{ condition, category, reason string }

// rules are those of a channel, in their order.
func (s *ruleSource) rules(channel string) (rules []rule) {
	s.t.Helper()
	file := s.parse("rules_" + channel)
	remarks := make(map[int]string) // of the line they stand behind
	for _, group := range file.Comments {
		if at := s.files.Position(group.Pos()); at.Column > 4 {
			remarks[at.Line] = strings.TrimSpace(group.Text())
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			fields := make(map[string]string)
			for _, e := range n.Elts {
				pair, ok := e.(*ast.KeyValueExpr)
				if !ok {
					return true
				}
				if key := pair.Key.(*ast.Ident).Name; slices.Contains([]string{"Status", "Code", "Contains", "Category", "Reason"}, key) {
					if _, isName := pair.Value.(*ast.Ident); isName && s.values[pair.Value.(*ast.Ident).Name] == "" {
						return true // in slackCodes: the calls below say it
					}
					fields[key] = s.value(pair.Value)
				}
			}
			if fields["Category"] != "" {
				rules = append(rules, rule{condition(fields, remarks[s.files.Position(n.End()).Line]), fields["Category"], fields["Reason"]})
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); !ok || f.Name != "slackCodes" {
				return true
			}
			for _, code := range n.Args[2:] {
				rules = append(rules, rule{"`" + s.value(code) + "`", s.value(n.Args[0]), s.value(n.Args[1])})
			}
		}
		return true
	})
	return rules
}

// condition is what an answer has to be like, in Markdown.
func condition(fields map[string]string, remark string) string {
	var parts []string
	for _, part := range [...]struct{ before, value string }{
		{"", fields["Status"]}, {"", fields["Code"]}, {"text ", fields["Contains"]},
	} {
		if part.value != "" {
			parts = append(parts, part.before+"`"+part.value+"`")
		}
	}
	text := strings.Join(parts, " with ")
	if remark != "" {
		text += " (" + remark + ")"
	}
	return text
}

// table is the rules as the page shows them. Neighbours that mean the same share a
// row.
func ruleTable(rules []rule) string {
	var b strings.Builder
	b.WriteString("\n| answer | category | reason |\n| --- | --- | --- |\n")
	for i := 0; i < len(rules); {
		var conditions []string
		first := rules[i]
		for ; i < len(rules) && rules[i].category == first.category && rules[i].reason == first.reason; i++ {
			conditions = append(conditions, rules[i].condition)
		}
		fmt.Fprintf(&b, "| %s | %s | `%s` |\n", strings.Join(conditions, ", "), first.category, first.reason)
	}
	return b.String() + "\n"
}

var ruleMarks = regexp.MustCompile(`(?s)(<!-- rules: ([a-z]+) -->\n)(.*?)(<!-- end -->)`)

// TestThePageOfChannelsHasEveryRule writes the tables with -update.
func TestThePageOfChannelsHasEveryRule(t *testing.T) {
	page, err := os.ReadFile(channelsPage)
	if err != nil {
		t.Fatal(err)
	}
	source := newRuleSource(t)
	found := make(map[string]bool)
	want := ruleMarks.ReplaceAllStringFunc(string(page), func(match string) string {
		parts := ruleMarks.FindStringSubmatch(match)
		rules := source.rules(parts[2])
		if len(rules) == 0 {
			t.Errorf("rules_%s.go has no rule that could be read", parts[2])
		}
		found[parts[2]] = true
		return parts[1] + ruleTable(rules) + parts[4]
	})
	files, err := os.ReadDir("../../../../classify")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name, isRules := strings.CutPrefix(strings.TrimSuffix(f.Name(), ".go"), "rules_")
		if isRules && !strings.HasSuffix(name, "_test") && name != "test" && !found[name] {
			t.Errorf("the page has no table of the rules of %s", name)
		}
	}
	if *updatePage {
		if err := os.WriteFile(channelsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(page)); diff != "" {
		t.Errorf("the tables are not those of the rules; go test ./cmd/outgate/internal/channels -run ThePageOfChannels -update writes them (-want +got):\n%s", diff)
	}
}

func TestThePageOfChannelsHasASectionOfEach(t *testing.T) {
	page, err := os.ReadFile(channelsPage)
	if err != nil {
		t.Fatal(err)
	}
	for _, channel := range slices.Sorted(maps.Keys(Known)) {
		_, section, found := strings.Cut(string(page), "\n## "+channel+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		if !found {
			t.Errorf("there is no section of %s", channel)
		}
		for _, key := range Known[channel].Needs {
			if !regexp.MustCompile("\\b" + key + "(_file)?(: |`)").MatchString(section) {
				t.Errorf("the section of %s does not name %s", channel, key)
			}
		}
		c, err := Known[channel].Open(config.Bridge{
			Channel: channel, Token: config.NewSecret("1:t"), URL: config.NewSecretURL("http://h/"),
			BaseURL: "http://h:80", JID: "a@b", Password: config.NewSecret("p"),
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		capabilities := c.Capabilities()
		if !strings.Contains(section, "**"+string(capabilities.Idempotency)+"**") {
			t.Errorf("the section of %s does not say that it is %s", channel, capabilities.Idempotency)
		}
		for _, bound := range []int{capabilities.Text.Max, capabilities.Caption.Max} {
			if bound > 0 && !strings.Contains(section, thousands(bound)) {
				t.Errorf("the section of %s does not say that a text has at most %s", channel, thousands(bound))
			}
		}
	}
}

// thousands writes 4096 as 4,096.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
