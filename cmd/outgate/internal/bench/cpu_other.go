//go:build !unix

package bench

import "math"

// processCPU is unknown on this system: figures that need it are left out.
func processCPU() float64 { return math.NaN() }
