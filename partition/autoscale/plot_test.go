package autoscale_test

import (
	"bytes"
	"fmt"
)

// panel is the drawing of one scenario.
type panel struct {
	title   string
	moments []moment
}

const (
	width, height = 760, 150 // of the axes of a panel
	left, top     = 60, 40
	apart         = 220
	columns       = 380 // points of a line
)

// plot draws the panels below each other: workers in blue, required workers as grey dots, the
// age of the oldest envelope in orange.
func plot(panels []panel) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" fill="#222">`+"\n",
		width+2*left, top+apart*len(panels))
	fmt.Fprintf(&out, `<rect width="100%%" height="100%%" fill="#fff"/>`+"\n")
	fmt.Fprintf(&out, `<text x="%d" y="18"><tspan fill="#1f5fbf">━ workers</tspan> <tspan fill="#888">┅ required workers</tspan> <tspan fill="#c45a00">━ age of the oldest envelope, s</tspan></text>`+"\n", left)
	for i, p := range panels {
		p.draw(&out, top+i*apart)
	}
	out.WriteString("</svg>\n")
	return out.Bytes()
}

func (p panel) draw(out *bytes.Buffer, y int) {
	most, oldest := 1, 1.0
	for _, m := range p.moments {
		most, oldest = max(most, m.replicas, min(int(m.required), mostPods)), max(oldest, m.age)
	}
	fmt.Fprintf(out, `<g transform="translate(%d,%d)"><text y="-6" font-weight="bold">%s</text>`+"\n", left, y+20, p.title)
	fmt.Fprintf(out, `<rect width="%d" height="%d" fill="none" stroke="#ccc"/>`+"\n", width, height)
	fmt.Fprintf(out, `<text x="-8" y="10" text-anchor="end" fill="#1f5fbf">%d</text><text x="-8" y="%d" text-anchor="end" fill="#1f5fbf">0</text>`+"\n", most, height)
	fmt.Fprintf(out, `<text x="%d" y="10" fill="#c45a00">%.0f s</text><text x="%d" y="%d" fill="#c45a00">0</text>`+"\n", width+8, oldest, width+8, height)
	fmt.Fprintf(out, `<text y="%d">0</text><text x="%d" y="%d" text-anchor="end">%d min</text>`+"\n", height+16, width, height+16, len(p.moments)/60)
	p.line(out, `#c45a00" stroke-width="1`, func(m moment) float64 { return m.age / oldest })
	p.line(out, `#888" stroke-dasharray="2 3`, func(m moment) float64 { return min(1, m.required/float64(most)) })
	p.line(out, `#1f5fbf" stroke-width="2`, func(m moment) float64 { return float64(m.replicas) / float64(most) })
	out.WriteString("</g>\n")
}

// line draws a value between 0 and 1; a column shows the largest value of its seconds.
func (p panel) line(out *bytes.Buffer, stroke string, value func(moment) float64) {
	fmt.Fprintf(out, `<polyline fill="none" stroke="%s" points="`, stroke)
	for i := range columns {
		from, to := i*len(p.moments)/columns, (i+1)*len(p.moments)/columns
		most := 0.0
		for _, m := range p.moments[from:max(to, from+1)] {
			most = max(most, value(m))
		}
		fmt.Fprintf(out, "%d,%.0f ", i*width/(columns-1), height*(1-most))
	}
	out.WriteString(`"/>` + "\n")
}
