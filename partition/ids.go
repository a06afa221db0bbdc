package partition

import (
	"fmt"
	"strconv"
	"time"
)

// IndexOf reads the partition out of an envelope id, 7 from
// 007-000000000000001f.
func IndexOf(id string) (int, error) {
	if len(id) == 20 && id[3] == '-' {
		index, err := strconv.ParseUint(id[:3], 10, 16)
		if err == nil {
			_, err = strconv.ParseUint(id[4:], 16, 64)
		}
		if err == nil {
			return int(index), nil
		}
	}
	return 0, fmt.Errorf("envelope id %q: want PPP-SSSSSSSSSSSSSSSS", id)
}

// AdmittedAt reads the time of admission out of an envelope id.
func AdmittedAt(id string) (time.Time, error) {
	if _, err := IndexOf(id); err != nil {
		return time.Time{}, err
	}
	us, err := strconv.ParseInt(id[4:], 16, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("envelope id %q: %w", id, err)
	}
	return time.UnixMicro(us), nil
}

// Earliest is when the first of a partition's envelopes was admitted, false where none
// of the ids is ours. An id is a partition and a time: those of one partition sort by
// time, and so only few of many are read.
func Earliest(ids ...[]string) (time.Time, bool) {
	var first string
	var earliest time.Time
	for _, some := range ids {
		for _, id := range some {
			if first != "" && id >= first {
				continue
			}
			if at, err := AdmittedAt(id); err == nil {
				first, earliest = id, at
			}
		}
	}
	return earliest, first != ""
}

// ageMS is the age of an envelope in ms, 0 for an id that is not ours.
func ageMS(id string, now time.Time) int64 {
	at, err := AdmittedAt(id)
	if err != nil {
		return 0
	}
	return max(0, now.Sub(at).Milliseconds())
}
