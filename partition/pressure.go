package partition

// Level is how full a partition is, in four steps.
type Level string

// The levels, in rising order.
const (
	Normal   Level = "normal"
	Warn     Level = "warn"
	Degraded Level = "degraded"
	Shed     Level = "shed"
)

// Levels lists the levels in rising order.
var Levels = [...]Level{Normal, Warn, Degraded, Shed}

// Rank is 0 for Normal to 3 for Shed; an unknown level counts as Normal.
func (l Level) Rank() int {
	for i, x := range Levels {
		if x == l {
			return i
		}
	}
	return 0
}
