package partition_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/lua"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// vector is one example of routing, computed outside of this module. Input is what
// is hashed, Digest the hash in hex, and its first four bytes decide.
type vector struct {
	Hash           partition.Hash    `json:"hash"`
	HashKey        partition.HashKey `json:"hash_key"`
	Partitions     int               `json:"partitions"`
	Namespace      string            `json:"namespace"`
	BridgeID       string            `json:"bridge_id"`
	ExternalRoomID string            `json:"external_room_id"`
	ThreadID       string            `json:"thread_id"`
	Input          string            `json:"input"`
	Digest         string            `json:"digest"`
	Index          int               `json:"index"`
	Queue          string            `json:"queue"`
}

func (v vector) scheme() partition.Scheme {
	return partition.Scheme{Count: v.Partitions, Namespace: v.Namespace, Hash: v.Hash, HashKey: v.HashKey}
}

func (v vector) envelope(t *testing.T) string {
	t.Helper()
	e := tasks.Envelope{
		Operation: tasks.Send, BridgeID: v.BridgeID, ExternalRoomID: v.ExternalRoomID, Payload: tasks.Text("hello"),
	}
	if v.ThreadID != "" {
		e.Opts = &tasks.Opts{ThreadID: v.ThreadID}
	}
	data, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func vectors(t *testing.T) []vector {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 200 {
		t.Fatalf("only %d vectors", len(all))
	}
	return all
}

func TestRoutingIsThatOfTheVectors(t *testing.T) {
	for _, v := range vectors(t) {
		s := v.scheme()
		index := s.RouteThread(v.BridgeID, v.ExternalRoomID, v.ThreadID)
		if index != v.Index || s.Queue(index) != v.Queue {
			t.Errorf("%s %q: index %d, queue %s, want %d, %s", s, v.Input, index, s.Queue(index), v.Index, v.Queue)
		}
		if line := s.Line(v.BridgeID, v.ExternalRoomID, v.ThreadID); s.HashKey != partition.ByBridge && line != v.Input {
			t.Errorf("%s: line %q, want what is hashed, %q", s, line, v.Input)
		}
		if got := s.Route(v.BridgeID, v.ExternalRoomID); got != v.Index && (s.HashKey != partition.ByThread || v.ThreadID == "") {
			t.Errorf("%s: Route(%q, %q) = %d, want %d", s, v.BridgeID, v.ExternalRoomID, got, v.Index)
		}
	}
}

// Scripts name lines with lua/line.lua.
func TestAScriptNamesLinesAsTheVectorsDo(t *testing.T) {
	text := lua.MustLoad(fstest.MapFS{"name.lua": &fstest.MapFile{
		Data: []byte("-- @include line.lua\nreturn line_of(ARGV[1], ARGV[2], ARGV[3], ARGV[4])\n"),
	}}, "name.lua")
	for name, rdb := range map[string]*redis.Client{"real": redistest.Start(t).Client(), "embedded": redistest.Embedded(t)} {
		for _, v := range vectors(t) {
			got, err := rdb.Eval(t.Context(), text, nil, v.BridgeID, v.ExternalRoomID, v.ThreadID, string(v.HashKey)).Text()
			if want := v.scheme().Line(v.BridgeID, v.ExternalRoomID, v.ThreadID); err != nil || got != want {
				t.Errorf("%s Redis, %s: got %q (%v), want %q", name, v.scheme(), got, err, want)
			}
		}
	}
}

// The admission script finds the partition itself where the key is {}, and checks
// it where the key names one.
func TestTheScriptRoutesAsTheVectorsDo(t *testing.T) {
	rdb := redistest.Start(t).Client()
	var announced partition.Scheme
	for _, v := range vectors(t) {
		if v.scheme() != announced {
			announced = v.scheme()
			if err := rdb.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			newGateway(t, rdb, func(s *partition.Setup) { s.Scheme = announced })
		}
		sha := rdb.HGet(t.Context(), partition.APIKey, "enqueue").Val()
		reply, err := rdb.EvalSha(t.Context(), sha, []string{"{}"}, v.envelope(t)).Text()
		if err != nil {
			t.Fatalf("%s %q: %v", announced, v.Input, err)
		}
		var receipt tasks.Receipt
		if err := json.Unmarshal([]byte(reply), &receipt); err != nil {
			t.Fatal(err)
		}
		if index, err := partition.IndexOf(receipt.ID); err != nil || index != v.Index || receipt.Partition != v.Index {
			t.Errorf("%s %q: %s (%v), want partition %d", announced, v.Input, reply, err, v.Index)
		}
		line := announced.Line(v.BridgeID, v.ExternalRoomID, v.ThreadID)
		if !rdb.HExists(t.Context(), partition.Keys{Queue: v.Queue}.Heads(), line).Val() {
			t.Errorf("%s: %q waits in another line", announced, line)
		}
		if v.Partitions == 1 {
			continue
		}
		other := "{" + announced.Queue((v.Index+1)%v.Partitions) + "}"
		err = rdb.EvalSha(t.Context(), sha, []string{other}, v.envelope(t)).Err()
		if want := "OUTGATE_WRONG_PARTITION want " + v.Queue; err == nil || err.Error() != want {
			t.Errorf("%s %q with the key %s: %v, want %s", announced, v.Input, other, err, want)
		}
	}
}

// rooms are bridge and room ids as the providers give them.
func rooms(n int) [][2]string {
	random := rand.New(rand.NewPCG(1, 2))
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	word := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteByte(letters[random.IntN(len(letters))])
		}
		return b.String()
	}
	kinds := []func(i int) [2]string{
		func(i int) [2]string { return [2]string{"telegram", fmt.Sprint(100_000_000 + i)} },
		func(int) [2]string {
			return [2]string{"telegram", fmt.Sprintf("-100%d", 1_000_000_000+random.IntN(1e9))}
		},
		func(int) [2]string { return [2]string{"slack", "C" + word(10)} },
		func(i int) [2]string {
			return [2]string{"discord", fmt.Sprint(1_098_765_432_109_876_543 + int64(i)<<22)}
		},
		func(int) [2]string { return [2]string{"matrix", "!" + word(18) + ":matrix.org"} },
		func(i int) [2]string { return [2]string{"mail", fmt.Sprintf("user%d@example.com", i)} },
		func(i int) [2]string { return [2]string{fmt.Sprint("hook-", i%500), fmt.Sprint("orders/", i)} },
	}
	all := make([][2]string, n)
	for i := range all {
		all[i] = kinds[i%len(kinds)](i)
	}
	return all
}

func TestRoomsSpreadEvenly(t *testing.T) {
	const most = 1.1
	all := rooms(100_000)
	for _, hash := range []partition.Hash{partition.SHA1, partition.FNV1a} {
		t.Run(string(hash), func(t *testing.T) {
			s := partition.DefaultScheme()
			s.Hash = hash
			counts := make([]int, s.Count)
			for _, room := range all {
				counts[s.Route(room[0], room[1])]++
			}
			fullest := 0
			for _, n := range counts {
				fullest = max(fullest, n)
			}
			skew := float64(fullest) / (float64(len(all)) / float64(s.Count))
			t.Logf("the fullest partition holds %.4f of the mean", skew)
			if skew > most {
				t.Errorf("it holds %.3f of the mean, want at most %.1f: %v", skew, most, counts)
			}
		})
	}
}

func TestAThreadIsALineOfItsOwnUnderItsHashKeyAlone(t *testing.T) {
	for _, test := range []struct {
		key          partition.HashKey
		thread, want string
	}{
		{partition.ByRoom, "7", "tg:42"},
		{partition.ByBridge, "7", "tg:42"},
		{partition.ByThread, "7", "tg:42:7"},
		{partition.ByThread, "", "tg:42"},
	} {
		s := partition.DefaultScheme()
		s.HashKey = test.key
		if got := s.Line("tg", "42", test.thread); got != test.want {
			t.Errorf("%s, thread %q: line %q, want %q", test.key, test.thread, got, test.want)
		}
	}
}

func TestLevelsRise(t *testing.T) {
	for i, level := range partition.Levels {
		if level.Rank() != i {
			t.Errorf("rank of %s: %d, want %d", level, level.Rank(), i)
		}
	}
	if rank := partition.Level("unheard of").Rank(); rank != 0 {
		t.Errorf("an unknown level has rank %d, want that of normal", rank)
	}
}

func TestIndexOf(t *testing.T) {
	for _, test := range []struct {
		id   string
		want int
		ok   bool
	}{
		{"007-000000000000001f", 7, true},
		{"255-000660dd645b46fc", 255, true},
		{"000-ffffffffffffffff", 0, true},
		{"", 0, false},
		{"007-00000000000001f", 0, false},
		{"007_000000000000001f", 0, false},
		{"07a-000000000000001f", 0, false},
		{"+07-000000000000001f", 0, false},
		{"007-00000000000000xx", 0, false},
		{"007-000000000000001f0", 0, false},
	} {
		got, err := partition.IndexOf(test.id)
		if got != test.want || (err == nil) != test.ok {
			t.Errorf("IndexOf(%q) = %d, %v; want %d, ok %t", test.id, got, err, test.want, test.ok)
		}
	}
}

func FuzzIndexOf(f *testing.F) {
	for _, id := range []string{"007-000000000000001f", "255-FFFFFFFFFFFFFFFF", "", "0000000000000000-000", "００７-000000000000001f"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		index, err := partition.IndexOf(id)
		if err != nil {
			if index != 0 || !strings.Contains(err.Error(), "PPP-SSSSSSSSSSSSSSSS") {
				t.Errorf("IndexOf(%q) = %d, %v", id, index, err)
			}
			return
		}
		// Whatever is taken for an id says its partition in plain digits.
		if want := fmt.Sprintf("%03d-", index); !strings.HasPrefix(id, want) || len(id) != len("007-000000000000001f") {
			t.Errorf("IndexOf(%q) = %d", id, index)
		}
	})
}
