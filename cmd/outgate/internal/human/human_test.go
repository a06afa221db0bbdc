package human

import (
	"testing"
	"time"
)

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "", 0: "", 7 * time.Millisecond: "7ms", 59 * time.Second: "59s", 61 * time.Second: "1m01s",
		3*time.Hour + 4*time.Minute: "3h04m", 47 * time.Hour: "47h00m", 50 * time.Hour: "2d02h",
	} {
		if got := Age(d.Milliseconds()); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
}
