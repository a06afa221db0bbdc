package channels

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/provider"
	"github.com/outgate/outgate/tasks"
)

// page writes docs/channels.md from page.md, and from the channels.
func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("page.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := struct{ Links, Table, HTTPRules, Fakes, Sections string }{
		Links: links(), Table: channelTable(t), HTTPRules: ruleTable(classify.HTTPRules()), Fakes: strings.Join(Faked(), ","),
	}
	for _, spec := range List {
		parts.Sections += section(&spec) + "\n"
	}
	parts.Sections = strings.TrimSuffix(parts.Sections, "\n")
	var b strings.Builder
	if err := template.Must(template.New("page.md").Parse(string(text))).Execute(&b, parts); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// links lead to the sections, one a line.
func links() string {
	var list []string
	for _, spec := range List {
		list = append(list, fmt.Sprintf("[%s](#%[1]s)", spec.Type))
	}
	return strings.Join(list, ",\n")
}

// section is the section of a channel, its tables in their places.
func section(spec *provider.Spec) string {
	return strings.NewReplacer(
		"<!-- keys -->", keyTable(spec.Keys), "<!-- rules -->", ruleTable(spec.Rules),
	).Replace(spec.Doc)
}

// table is a table in Markdown, without a line break at its end.
func table(head string, rows []string) string {
	columns := strings.Count(head, " | ") + 1
	return strings.Join(append([]string{"| " + head + " |", "|" + strings.Repeat(" --- |", columns)}, rows...), "\n")
}

// channelTable has a row of each channel.
func channelTable(t *testing.T) string {
	t.Helper()
	var rows []string
	for _, spec := range List {
		rows = append(rows, channelRow(t, &spec))
	}
	return table("channel | operations | a text has at most | a caption | media | a second request | limits by default | deletes | finds", rows)
}

func channelRow(t *testing.T, spec *provider.Spec) string {
	t.Helper()
	c := opened(t, spec, spec.Example())
	_, deletes := c.(handlers.Deleter)
	_, finds := c.(handlers.Reconciler)
	found := yes(finds)
	if key := reconciling(t, spec); key != "" {
		found = "with `" + key + "`"
	}
	return fmt.Sprintf("| [%s](#%[1]s) | %s | %s | %s | %s | %s | %s | %s | %s |", spec.Type,
		operations(spec.Capabilities), bound(spec.Capabilities.Text, spec.Facts.Unit), caption(spec.Capabilities),
		cmp.Or(spec.Facts.Media, "none"), secondRequest(spec.Capabilities, found), spec.Facts.Limits, yes(deletes), found)
}

// opened is the channel with these values of its keys.
func opened(t *testing.T, spec *provider.Spec, values map[string]string) handlers.Channel {
	t.Helper()
	c, err := spec.Open(provider.NewSettings(values, io.Discard))
	if err != nil {
		t.Fatalf("%s: got the error %v of Open with the examples of the keys, want a channel. Look at Spec.Keys", spec.Type, err)
	}
	if c, ok := c.(handlers.Closer); ok {
		t.Cleanup(c.Close)
	}
	return c
}

// reconciling is the flag that makes the channel reconcilable, empty if none does.
func reconciling(t *testing.T, spec *provider.Spec) string {
	t.Helper()
	for _, key := range spec.Keys {
		if key.Kind != provider.Flag {
			continue
		}
		values := spec.Example()
		values[key.Name] = "true"
		class := opened(t, spec, values).Capabilities().Idempotency
		if class == tasks.Reconcilable && class != spec.Capabilities.Idempotency {
			return key.Name
		}
	}
	return ""
}

func operations(c tasks.Capabilities) string {
	if len(c.Operations) == 4 {
		return "all four"
	}
	var names []string
	for _, op := range c.Operations {
		names = append(names, "`"+string(op)+"`")
	}
	return strings.Join(names, ", ")
}

func bound(l tasks.Length, unit string) string {
	if l.Max == 0 {
		return "no limit"
	}
	return strings.TrimSpace(thousands(l.Max) + " " + unit)
}

func caption(c tasks.Capabilities) string {
	if !slices.ContainsFunc(c.Operations, tasks.Operation.IsMedia) {
		return "none"
	}
	return bound(c.Caption, "")
}

// secondRequest says what becomes of a message that is sent twice. found is the last
// column of the row.
func secondRequest(c tasks.Capabilities, found string) string {
	switch {
	case c.Idempotency == tasks.Native && c.Window > 0:
		return fmt.Sprintf("is dropped for %d min (native)", int(c.Window.Minutes()))
	case c.Idempotency == tasks.Native:
		return "is dropped for a time that nobody knows (native)"
	case c.Idempotency == tasks.Reconcilable:
		return "is not made: the first is found (reconcilable)"
	case strings.HasPrefix(found, "with"):
		return "is a double (blind), or is not made (reconcilable " + found + ")"
	}
	return "is a double (blind)"
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// keyTable has a row of each key, those that are needed first.
func keyTable(keys []provider.Key) string {
	keys = slices.SortedStableFunc(slices.Values(keys), func(a, b provider.Key) int {
		return cmp.Compare(yes(b.Needed), yes(a.Needed))
	})
	var rows []string
	for _, key := range keys {
		name := "`" + key.Name + "`"
		switch key.Kind {
		case provider.Text, provider.Secret, provider.SecretURL:
			name += ", `" + key.Name + "_file`"
		case provider.Address, provider.Option, provider.Flag:
		}
		needed := ""
		if key.Needed {
			needed = "needed"
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s |", name, needed, key.Help))
	}
	return table("key | | what it is", rows)
}

// ruleTable has the rules in their order. Neighbours that mean the same share a row.
func ruleTable(rules classify.Rules) string {
	var rows []string
	for i := 0; i < len(rules); {
		var conditions []string
		first := rules[i]
		for ; i < len(rules) && rules[i].Category == first.Category && rules[i].Reason == first.Reason; i++ {
			conditions = append(conditions, condition(rules[i]))
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | `%s` |", strings.Join(conditions, ", "), first.Category, first.Reason))
	}
	return table("answer | category | reason", rows)
}

// condition is what an answer has to be like.
func condition(r classify.Rule) string {
	var parts []string
	if r.Status != 0 {
		parts = append(parts, fmt.Sprintf("`%d`", r.Status))
	}
	if r.Code != "" {
		parts = append(parts, "`"+r.Code+"`")
	}
	if r.Contains != "" {
		parts = append(parts, "text `"+r.Contains+"`")
	}
	text := strings.Join(parts, " with ")
	if r.Note != "" {
		text += " (" + r.Note + ")"
	}
	return text
}

// thousands writes 4096 as 4,096.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
