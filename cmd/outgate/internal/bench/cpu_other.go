//go:build !unix

package bench

import "math"

// processCPU is not known here: the figures that need it are left out.
func processCPU() float64 { return math.NaN() }
