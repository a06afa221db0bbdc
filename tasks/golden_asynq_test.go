package tasks_test

import (
	"encoding/binary"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
)

// asynqTask is what asynq keeps of a task.
type asynqTask struct {
	Message taskMessage
	// Fields are those of the hash beside msg.
	Fields map[string]string
}

// taskMessage is asynq's protobuf message of a task, by the numbers of its fields.
type taskMessage struct {
	Type, ID, Queue, UniqueKey string
	Payload                    []byte
	Headers                    map[string]string
	// Numbers are the integer fields.
	Numbers map[int]uint64
	// Others are fields this test does not expect.
	Others []int
}

func readTask(t testing.TB, rdb *redis.Client, queue, id string) asynqTask {
	t.Helper()
	fields, err := rdb.HGetAll(t.Context(), partition.Keys{Queue: queue}.Task(id)).Result()
	must(t, err)
	task := asynqTask{Message: readMessage(t, []byte(fields["msg"])), Fields: fields}
	delete(fields, "msg")
	return task
}

func readMessage(t testing.TB, data []byte) taskMessage {
	t.Helper()
	m := taskMessage{Headers: map[string]string{}, Numbers: map[int]uint64{}}
	eachField(t, data, func(number int, value []byte, n uint64) {
		switch number {
		case 1:
			m.Type = string(value)
		case 2:
			m.Payload = value
		case 3:
			m.ID = string(value)
		case 4:
			m.Queue = string(value)
		case 10:
			m.UniqueKey = string(value)
		case 5, 6, 8, 9, 11, 12, 13:
			m.Numbers[number] = n
		case 15:
			var entry [3]string
			eachField(t, value, func(number int, value []byte, _ uint64) { entry[number] = string(value) })
			m.Headers[entry[1]] = entry[2]
		default:
			m.Others = append(m.Others, number)
		}
	})
	return m
}

// eachField walks over a protobuf message of strings and varints.
func eachField(t testing.TB, data []byte, visit func(number int, value []byte, n uint64)) {
	t.Helper()
	varint := func() uint64 {
		n, size := binary.Uvarint(data)
		if size <= 0 {
			t.Fatalf("no varint: %x", data)
		}
		data = data[size:]
		return n
	}
	for len(data) > 0 {
		tag := varint()
		n := varint()
		var value []byte
		switch tag & 7 {
		case 0:
		case 2:
			if n > uint64(len(data)) {
				t.Fatalf("field %d has %d bytes of %d", tag>>3, len(data), n)
			}
			value, data = data[:n], data[n:]
		default:
			t.Fatalf("field %d is of type %d", tag>>3, tag&7)
		}
		visit(int(tag>>3), value, n)
	}
}
