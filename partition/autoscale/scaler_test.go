package autoscale_test

import "math"

// policy is one of a HorizontalPodAutoscaler's scaling policies.
type policy struct {
	percent bool
	value   int
	period  int // seconds
}

// behavior is the configuration of a HorizontalPodAutoscaler.
type behavior struct {
	name             string
	upWindow, window int // stabilization windows of up and down, in seconds
	up, down         []policy
	// target is the AverageValue: the part of a worker that should be used.
	target float64
	// rounded is true if the metric is rounded up to whole workers.
	rounded bool
}

// hpa is the documented algorithm of the HorizontalPodAutoscaler (autoscaling/v2) for an
// external metric with an AverageValue, as KEDA configures it.
type hpa struct {
	behavior
	min, max int
	replicas int
	// recommended has the recommendations, and changed the changes, by second.
	recommended map[int]int
	changed     map[int]int
}

const (
	syncEvery = 15
	tolerance = .1
)

func newHPA(b behavior, least, most int) *hpa {
	return &hpa{behavior: b, min: least, max: most, replicas: least, recommended: make(map[int]int), changed: make(map[int]int)}
}

// sync reads the metric at second t and returns the number of replicas to run.
func (h *hpa) sync(t int, metric float64) int {
	desired := h.replicas
	if ratio := metric / (h.target * float64(h.replicas)); math.Abs(1-ratio) > tolerance {
		desired = int(math.Ceil(metric / h.target))
	}
	desired = min(max(desired, h.min), h.max)
	h.recommended[t] = desired
	up, down := desired, desired
	for at, n := range h.recommended {
		if at > t-h.upWindow {
			up = min(up, n)
		}
		if at > t-h.window {
			down = max(down, n)
		}
	}
	next := h.replicas
	switch {
	case next < up:
		next = min(up, h.ceiling(t))
	case next > down:
		next = max(down, h.floor(t))
	}
	next = min(max(next, h.min), h.max)
	if next != h.replicas {
		h.changed[t] = next - h.replicas
		h.replicas = next
	}
	return next
}

// moved is the number of replicas that were added, or removed, in the last seconds.
func (h *hpa) moved(t, period int, added bool) int {
	n := 0
	for at, change := range h.changed {
		if at > t-period && (change > 0) == added {
			n += change
		}
	}
	return n
}

// ceiling is the largest number of replicas that any policy allows.
func (h *hpa) ceiling(t int) int {
	most := 0
	for _, p := range h.up {
		began := h.replicas - h.moved(t, p.period, true)
		if p.percent {
			most = max(most, int(math.Ceil(float64(began)*(1+float64(p.value)/100))))
		} else {
			most = max(most, began+p.value)
		}
	}
	return max(most, h.replicas)
}

// floor is the smallest number of replicas that any policy allows.
func (h *hpa) floor(t int) int {
	least := math.MaxInt
	for _, p := range h.down {
		began := h.replicas - h.moved(t, p.period, false)
		if p.percent {
			least = min(least, int(float64(began)*(1-float64(p.value)/100)))
		} else {
			least = min(least, began-p.value)
		}
	}
	return min(least, h.replicas)
}
