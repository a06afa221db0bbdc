package partition_test

import (
	"errors"
	"fmt"

	"github.com/outgate/outgate/partition"
)

// Every client finds the same partition for a room.
func ExampleScheme_Route() {
	s := partition.DefaultScheme()
	fmt.Println(s.Route("tg", "42"), s.Route("tg", "-1001234567890"))
	// Output: 9 1
}

// The queue is asynq's, and part of every key.
func ExampleScheme_Queue() {
	s := partition.DefaultScheme()
	queue := s.Queue(s.Route("tg", "42"))
	fmt.Println(queue, partition.Keys{Queue: queue}.Tag())
	// Output: outbound-009 {outbound-009}
}

// Under the hash key thread, a thread has its own line, and order holds in it.
func ExampleScheme_Line() {
	s := partition.DefaultScheme()
	s.HashKey = partition.ByThread
	fmt.Println(s.Line("slack-main", "C024BE91L", "1503435956.000247"))
	// Output: slack-main:C024BE91L:1503435956.000247
}

// An envelope's id says where it is.
func ExampleIndexOf() {
	index, err := partition.IndexOf("007-000000000000001f")
	fmt.Println(index, err)
	// Output: 7 <nil>
}

// A Redis keeps its scheme: a gateway that is configured otherwise does not start.
func ExampleSchemeError() {
	other := partition.DefaultScheme()
	other.Count = 32
	var err error = &partition.SchemeError{Have: partition.DefaultScheme(), Want: other}
	fmt.Println(errors.Is(err, partition.ErrScheme))
	// Output: true
}
