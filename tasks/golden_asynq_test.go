package tasks_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/hibiken/asynqmon"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// pinnedAsynq is the version whose keys the enqueue script writes. Before another
// is pinned here, this file's tests must pass with it, and asynq's
// internal/rdb/rdb.go and internal/proto/asynq.proto be compared by eye.
const pinnedAsynq = "v0.26.0"

func TestAsynqIsOfTheVersionTheScriptsWereWrittenFor(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	must(t, err)
	for line := range strings.Lines(string(mod)) {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(fields) >= 2 && fields[0] == "github.com/hibiken/asynq" {
			if fields[1] != pinnedAsynq {
				t.Errorf("asynq is %s, the scripts write the keys of %s", fields[1], pinnedAsynq)
			}
			return
		}
	}
	t.Error("asynq is not in go.mod")
}

// never is when a parked task is due.
var never = time.Unix(253402300799, 0)

// lockTTL is how long the lock of an idempotency key outlives a lost task.
const lockTTL = 365 * 24 * time.Hour

// twin enqueues through asynq.Client what the gateway has admitted.
type twin struct {
	envelope tasks.Envelope
	receipt  tasks.Receipt
	parked   bool
}

func (w twin) enqueue(t *testing.T, client *asynq.Client, s handlers.Config) {
	t.Helper()
	payload := []byte(encode(t, w.envelope))
	opts := []asynq.Option{
		asynq.TaskID(w.receipt.ID), asynq.Queue(s.Scheme.Queue(w.receipt.Partition)),
		asynq.MaxRetry(1000000), // asynq.Client's own timeout of 30 minutes stays
	}
	if w.parked {
		opts = append(opts, asynq.ProcessAt(never))
	}
	task := asynq.NewTask("outgate:"+string(w.envelope.Operation), payload)
	if w.envelope.IdempotencyKey != "" {
		opts = append(opts, asynq.Unique(lockTTL))
		task = asynq.NewTaskWithHeaders(task.Type(), payload, map[string]string{
			"outgate-fingerprint": w.envelope.Fingerprint(), "outgate-key": keyHash(w.envelope),
		})
	}
	_, err := client.EnqueueContext(t.Context(), task, opts...)
	must(t, err)
}

// keyHash names an idempotency key of a room in Redis.
func keyHash(e tasks.Envelope) string {
	return redis.NewScript(e.RoutingKey() + "\n" + e.IdempotencyKey).Hash() // a SHA-1 in hex
}

func TestScriptWritesWhatAsynqClientWrites(t *testing.T) {
	edit := message("1", "better")
	edit.Operation, edit.ExternalMessageID = tasks.Edit, "77"
	long := message("1", strings.Repeat("long ", 10_000))
	tests := map[string][]tasks.Envelope{
		"a head is pending":                  {message("1", "hello")},
		"who comes after it is parked":       {message("1", "one"), message("1", "two"), edit},
		"a payload of several length bytes":  {long, long},
		"heads of other rooms are pending":   {message("1", "one"), message("2", "two"), message("3", "three")},
		"a head with an idempotency key":     {keyed(message("1", "hello"), "k")},
		"a parked one with such a key":       {message("1", "one"), keyed(message("1", "two"), "k")},
		"a text of any script, with escapes": {message("ä/\"\\", "Grüße 😀\n<&>\u2028")},
	}
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		for name, envelopes := range tests {
			must(t, rdb.FlushDB(t.Context()).Err())
			s := announce(t, rdb, onePartition)
			client := newForeign(t, rdb)
			lines := map[string]bool{}
			var twins []twin
			for _, e := range envelopes {
				twins = append(twins, twin{envelope: e, receipt: client.admit(t, encode(t, e)), parked: lines[e.RoutingKey()]})
				lines[e.RoutingKey()] = true
			}
			got := asynqKeys(t, rdb, twins)

			must(t, rdb.FlushDB(t.Context()).Err())
			theirs := asynq.NewClientFromRedisClient(rdb)
			for _, w := range twins {
				w.enqueue(t, theirs, s)
			}
			want := asynqKeys(t, rdb, twins)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: asynq.Client writes otherwise (-asynq +script):\n%s", name, diff)
			}
		}
	})
}

// asynqKeys is the content of all of asynq's keys, comparable: locks go by the id
// they hold, since asynq names them by type and payload and the gateway by room and
// idempotency key; instants and remaining times are replaced by their form.
func asynqKeys(t *testing.T, rdb *redis.Client, twins []twin) map[string]any {
	t.Helper()
	keys, err := rdb.Keys(t.Context(), "asynq:*").Result()
	must(t, err)
	locks := map[string]string{}
	for _, key := range keys {
		if strings.Contains(key, ":unique:") {
			locks[key] = "lock of " + rdb.Get(t.Context(), key).Val()
		}
	}
	content := map[string]any{}
	for _, key := range keys {
		switch kind := rdb.Type(t.Context(), key).Val(); kind {
		case "string":
			// asynq adds the time until a task is due, which is never here.
			content[locks[key]] = rdb.TTL(t.Context(), key).Val() > lockTTL-time.Minute
		case "list":
			content[key] = rdb.LRange(t.Context(), key, 0, -1).Val()
		case "set":
			content[key] = slices.Sorted(slices.Values(rdb.SMembers(t.Context(), key).Val()))
		case "zset":
			content[key] = rdb.ZRangeWithScores(t.Context(), key, 0, -1).Val()
		case "hash":
			queue, id, _ := strings.Cut(strings.TrimPrefix(key, "asynq:{"), "}:t:")
			task := readTask(t, rdb, queue, id)
			task.Message.UniqueKey = locks[task.Message.UniqueKey]
			maps.DeleteFunc(task.Fields, func(name, _ string) bool { return strings.HasPrefix(name, "og_") })
			if lock, ok := task.Fields["unique_key"]; ok {
				task.Fields["unique_key"] = locks[lock]
			}
			if since, ok := task.Fields["pending_since"]; ok {
				ns, err := strconv.ParseInt(since, 10, 64)
				age := time.Since(time.Unix(0, ns))
				task.Fields["pending_since"] = fmt.Sprint(err == nil && age > -time.Minute && age < time.Minute)
			}
			content[key] = task
		default:
			t.Errorf("%s is a %s", key, kind)
		}
	}
	if len(content) < 2+len(twins) {
		t.Errorf("only %d of asynq's keys: %v", len(content), keys)
	}
	return content
}

func TestMessageOfTheScriptIsAsynqsByteForByte(t *testing.T) {
	rdb := redistest.Embedded(t)
	s := announce(t, rdb, onePartition)
	e := message("1", strings.Repeat("x", 200))
	r := newForeign(t, rdb).admit(t, encode(t, e))
	key := partition.Keys{Queue: s.Scheme.Queue(0)}.Task(r.ID)
	got := rdb.HGet(t.Context(), key, "msg").Val()
	must(t, rdb.FlushDB(t.Context()).Err())
	twin{envelope: e, receipt: r}.enqueue(t, asynq.NewClientFromRedisClient(rdb), s)
	if want := rdb.HGet(t.Context(), key, "msg").Val(); got != want {
		t.Errorf("the script writes %x\nasynq.Client    %x", got, want)
	}
}

func TestAsynqInspectorReadsWhatTheScriptWrote(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb, onePartition)
		queue := s.Scheme.Queue(0)
		client := newForeign(t, rdb)
		head := client.admit(t, encode(t, keyed(message("1", "head"), "k")))
		parked := client.admit(t, encode(t, message("1", "parked")))
		other := client.admit(t, encode(t, message("2", "other")))

		inspector := asynq.NewInspectorFromRedisClient(rdb)
		info, err := inspector.GetTaskInfo(queue, head.ID)
		must(t, err)
		if info.State != asynq.TaskStatePending || info.Type != "outgate:send" || info.MaxRetry != 1000000 ||
			info.Timeout != 30*time.Minute || string(info.Payload) != encode(t, keyed(message("1", "head"), "k")) ||
			info.Headers["outgate-key"] != keyHash(keyed(message("1", ""), "k")) {
			t.Errorf("the head is %+v", info)
		}
		info, err = inspector.GetTaskInfo(queue, parked.ID)
		must(t, err)
		if info.State != asynq.TaskStateScheduled || !info.NextProcessAt.Equal(never) {
			t.Errorf("the parked one is %+v", info)
		}
		pending, err := inspector.ListPendingTasks(queue)
		must(t, err)
		if diff := cmp.Diff([]string{head.ID, other.ID}, ids(pending)); diff != "" {
			t.Errorf("pending (-want +got):\n%s", diff)
		}
		scheduled, err := inspector.ListScheduledTasks(queue)
		must(t, err)
		if diff := cmp.Diff([]string{parked.ID}, ids(scheduled)); diff != "" {
			t.Errorf("scheduled (-want +got):\n%s", diff)
		}
		queueInfo, err := inspector.GetQueueInfo(queue)
		must(t, err)
		if queueInfo.Size != 3 || queueInfo.Pending != 2 || queueInfo.Scheduled != 1 {
			t.Errorf("the queue is %+v", queueInfo)
		}
	})
}

func ids(infos []*asynq.TaskInfo) (ids []string) {
	for _, info := range infos {
		ids = append(ids, info.ID)
	}
	return ids
}

func TestAsynqmonShowsWhatTheScriptWrote(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb, onePartition)
		queue := s.Scheme.Queue(0)
		client := newForeign(t, rdb)
		head := client.admit(t, encode(t, message("1", "head")))
		parked := client.admit(t, encode(t, message("1", "parked")))
		h := asynqmon.New(asynqmon.Options{
			RootPath: "/asynqmon", RedisConnOpt: asynq.RedisClientOpt{Addr: rdb.Options().Addr}, ReadOnly: true,
		})
		closeAfter(t, h)
		for path, want := range map[string]string{
			"/api/queues":                                    queue,
			"/api/queues/" + queue:                           queue,
			"/api/queues/" + queue + "/pending_tasks":        head.ID,
			"/api/queues/" + queue + "/scheduled_tasks":      parked.ID,
			"/api/queues/" + queue + "/tasks/" + head.ID:     "outgate:send",
			"/api/queues/" + queue + "/tasks/" + parked.ID:   "parked",
			"/api/queues/" + queue + "/active_tasks":         `"tasks":[]`,
			"/queues/" + queue + "/tasks/" + parked.ID + "/": "<html",
		} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/asynqmon"+path, nil))
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
				t.Errorf("GET %s: %d, without %q: %s", path, w.Code, want, w.Body)
			}
		}
	})
}

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
