package autoscale_test

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table and the plot of docs/autoscaling.md")

// recommended is the behavior that docs/autoscaling.md recommends. Each of the others
// changes one setting of it, to show its effect.
var (
	quickly     = []policy{{percent: true, value: 100, period: 15}, {value: 4, period: 15}}
	slowly      = []policy{{value: 1, period: 60}}
	recommended = behavior{name: "recommended", target: .9, window: 600, up: quickly, down: slowly}
	behaviors   = []behavior{
		recommended,
		{name: "doubles once a minute", target: .9, window: 600, up: []policy{{percent: true, value: 100, period: 60}}, down: slowly},
		{name: "target of 1", target: 1, window: 600, up: quickly, down: slowly},
		{name: "rounded metric", target: .9, window: 600, up: quickly, down: slowly, rounded: true},
		{name: "window of 300 s", target: .9, window: 300, up: quickly, down: slowly},
	}
)

// scenario is a curve of load.
type scenario struct {
	name, what string
	until      int
	bridges    func() []*bridge
	// gone is when a backlog begins to shrink; 0 means never.
	gone int
	// calm is a period in which the scaler must not scale up.
	calm [2]int
}

var scenarios = []scenario{
	{
		name: "burst", what: "200/s, and 120,000 at once after ten minutes", until: 1800, gone: 610,
		bridges: func() []*bridge {
			return []*bridge{{id: "orders", seconds: .5, rooms: 20_000, permitted: always(unlimited), arrive: func(t int) float64 {
				if t >= 600 && t < 610 {
					return 12_200
				}
				return 200
			}}}
		},
	},
	{
		name: "throttled bridge", what: "1,000/s beside a bridge limited to 30/s that is given 40/s and 20,000 at once", until: 3600, calm: [2]int{610, 3600},
		bridges: func() []*bridge {
			return []*bridge{
				{id: "free", seconds: .5, rooms: 20_000, permitted: always(unlimited), arrive: always(1000)},
				{id: "limited", seconds: .2, rooms: 20_000, permitted: always(30), arrive: func(t int) float64 {
					if t >= 600 && t < 610 {
						return 2040
					}
					return 40
				}},
			}
		},
	},
	{
		name: "provider outage", what: "100/s, the bridge suspended for 20 minutes", until: 3600, gone: 1800, calm: [2]int{600, 1800},
		bridges: func() []*bridge {
			return []*bridge{{id: "orders", seconds: .5, rooms: 20_000, arrive: always(100), permitted: func(t int) float64 {
				if t >= 600 && t < 1800 {
					return 0
				}
				return unlimited
			}}}
		},
	},
	{
		name: "night", what: "a day and a night between 20/s and 2,500/s, with noise", until: 86_400,
		bridges: func() []*bridge {
			noise := rand.New(rand.NewPCG(1, 2))
			drift := 0.0
			return []*bridge{{id: "orders", seconds: .5, rooms: 20_000, permitted: always(unlimited), arrive: func(t int) float64 {
				drift = .99*drift + .01*noise.NormFloat64()
				day := (1 - math.Cos(2*math.Pi*float64(t)/86_400)) / 2
				return max(0, (20+2480*day)*(1+drift)*(.8+.4*noise.Float64()))
			}}}
		},
	},
}

// figures are the results of a scenario.
type figures struct {
	least, most, changes, flaps int
	oldest                      float64
	gone, ideal                 int
	calmUps                     int
}

// measure plays a scenario with an autoscaler.
func (s scenario) measure(b behavior) (figures, []moment) {
	moments := play(s.bridges(), newScaled(b), s.until)
	f := figures{least: math.MaxInt}
	down := -backAndUp
	for t, m := range moments {
		f.least, f.most, f.oldest = min(f.least, m.replicas), max(f.most, m.replicas), max(f.oldest, m.age)
		if t == 0 || m.replicas == moments[t-1].replicas {
			continue
		}
		f.changes++
		switch up := m.replicas > moments[t-1].replicas; {
		case !up:
			down = t
		case t-down < backAndUp:
			f.flaps++
			fallthrough
		default:
			if t >= s.calm[0] && t < s.calm[1] {
				f.calmUps++
			}
		}
	}
	if s.gone > 0 {
		f.gone = goneAfter(moments, s.gone)
		workers := min(mostPods, int(math.Ceil(moments[s.gone].required)))
		f.ideal = goneAfter(play(s.bridges(), fixed{n: workers, from: s.gone}, s.until), s.gone)
	}
	return f, moments
}

// goneAfter is the number of seconds after from until no envelope waits.
func goneAfter(moments []moment, from int) int {
	for t := from; t < len(moments); t++ {
		if moments[t].age < 1 {
			return t - from
		}
	}
	return math.MaxInt
}

func TestTheScalerFollowsTheLoadWithoutFlapping(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	table.WriteString("| load | behavior | workers | changes | back and up | oldest, s | gone after, s | ideal, s |\n" +
		"| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	var panels []panel
	for _, s := range scenarios {
		for _, b := range behaviors {
			f, moments := s.measure(b)
			if b.name == recommended.name {
				s.check(t, f)
				panels = append(panels, panel{s.name + ": " + s.what, moments})
			}
			table.WriteString(s.row(b, f))
		}
	}
	golden(t, "../../docs/autoscaling.svg", func([]byte) []byte { return plot(panels) })
	golden(t, "../../docs/autoscaling.md", func(page []byte) []byte { return between(t, page, table.String()) })
}

// check checks the promises: the scaler does not flap, it does not scale up if nothing could
// be sent faster, and a backlog is gone within twice the time that it would take if the
// workers started at once.
func (s scenario) check(t *testing.T, f figures) {
	t.Helper()
	// A curve with one top takes each step up and down once; noise may cost one more.
	if steps := 2*(f.most-f.least) + 2; f.flaps > 1 || f.changes > steps {
		t.Errorf("%s: got %d changes, %d of them up within %d s after down; want at most %d and 1", s.name, f.changes, f.flaps, backAndUp, steps)
	}
	if f.calmUps > 0 {
		t.Errorf("%s: got %d steps up in the calm period, want 0", s.name, f.calmUps)
	}
	if s.gone > 0 && f.gone > 2*f.ideal {
		t.Errorf("%s: got the backlog gone after %d s, want at most twice the ideal %d", s.name, f.gone, f.ideal)
	}
}

func (s scenario) row(b behavior, f figures) string {
	gone, ideal := "", ""
	if s.gone > 0 {
		gone, ideal = fmt.Sprint(f.gone), fmt.Sprint(f.ideal)
	}
	return fmt.Sprintf("| %s | %s | %d to %d | %d | %d | %.0f | %s | %s |\n",
		s.name, b.name, f.least, f.most, f.changes, f.flaps, f.oldest, gone, ideal)
}

const (
	tableBegins = "<!-- The table is written by go test ./partition/autoscale -update -->\n"
	tableEnds   = "<!-- end of the table -->\n"
)

// between replaces the table on the page.
func between(t *testing.T, page []byte, table string) []byte {
	t.Helper()
	before, rest, begins := bytes.Cut(page, []byte(tableBegins))
	_, after, ends := bytes.Cut(rest, []byte(tableEnds))
	if !begins || !ends {
		t.Fatalf("got docs/autoscaling.md without the marks of the table, want %q and %q", tableBegins, tableEnds)
	}
	return bytes.Join([][]byte{before, []byte(tableBegins), []byte("\n" + table + "\n"), []byte(tableEnds), after}, nil)
}

// golden compares a file with what make returns for it or, with -update, writes it.
func golden(t *testing.T, name string, make func([]byte) []byte) {
	t.Helper()
	have, err := os.ReadFile(name)
	if err != nil && !*update {
		t.Fatal(err)
	}
	want := make(have)
	if bytes.Equal(have, want) {
		return
	}
	if !*update {
		t.Errorf("got another %s than the simulation makes, want it up to date: check the change and run the test with -update", name)
		return
	}
	if err := os.WriteFile(name, want, 0o644); err != nil {
		t.Fatal(err)
	}
}
