package layout

import (
	"fmt"
	"strconv"
	"strings"
)

const intro = `# What is in Redis

The list is made of the code (` + "`partition/layout`" + `; ` + "`go test ./partition/layout -update`" + ` writes this
page), and a test holds a Redis that a gateway has worked on against it: type, fields, and
whether a key ends by itself.

Words in capitals stand for what varies, and square brackets are around what may be absent.
` + "`og_`" + ` fields and ` + "`outgate:`" + ` keys are ours, and not for others to write; what other programs may
rely on is in [protocol.md](protocol.md). A single word in a column of writers is a script:
` + "`enqueue`" + ` is ` + "`tasks/enqueue.lua`" + `, the others are in ` + "`partition/`" + `.
`

// Page is docs/redis.md.
func Page() string {
	var b strings.Builder
	b.WriteString(intro)
	for _, g := range Groups {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", g.Title, g.Text)
		b.WriteString("| name | type | holds | written by | read by | lives |\n|---|---|---|---|---|---|\n")
		for _, k := range g.Keys {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", k.Pattern, k.Type, k.Holds, k.Writers, k.Readers, k.Life)
		}
		for _, k := range g.Keys {
			if len(k.Fields) == 0 {
				continue
			}
			fmt.Fprintf(&b, "\nFields of `%s`:\n\n| field | holds |\n|---|---|\n", k.Pattern)
			for _, f := range k.Fields {
				fmt.Fprintf(&b, "| `%s` | %s |\n", f.Name, f.Holds)
			}
		}
	}
	return b.String()
}

// number writes thousands with commas.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
