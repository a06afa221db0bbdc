package partition_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/partition"
)

func TestTotalAddsPartitionsUp(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(partition.Stats{Level: partition.Normal}, partition.Total(nil)); diff != "" {
		t.Errorf("of none (-want +got):\n%s", diff)
	}
	got := partition.Total([]partition.Stats{
		{Queue: "a", Level: partition.Degraded, Depth: 1, Capacity: 2, Pending: 3, Active: 4, Retry: 5, Scheduled: 6, Archived: 7, DeadLetters: 8, OldestMS: 9},
		{Queue: "b", Level: partition.Warn, Depth: 10, Capacity: 20, Pending: 30, Active: 40, Retry: 50, Scheduled: 60, Archived: 70, DeadLetters: 80, OldestMS: 5},
	})
	want := partition.Stats{
		Level: partition.Degraded, Depth: 11, Capacity: 22, Pending: 33, Active: 44, Retry: 55, Scheduled: 66, Archived: 77, DeadLetters: 88, OldestMS: 9,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
