package partition

import (
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"hash/fnv"
)

// Hash names the function that spreads rooms over partitions.
type Hash string

// The hash strategies.
const (
	// SHA1 is the default: every language has it, and so has Redis' Lua.
	SHA1 Hash = "sha1"
	// FNV1a is 32-bit FNV-1a, for clients without SHA-1.
	FNV1a Hash = "fnv1a"
)

// HashKey names what is hashed, and so what stays together in one partition.
type HashKey string

// The hash keys.
const (
	// ByRoom hashes bridge_id:external_room_id. It is the default.
	ByRoom HashKey = "room"
	// ByBridge hashes the bridge_id: all rooms of a bridge share a partition.
	ByBridge HashKey = "bridge"
	// ByThread hashes bridge_id:external_room_id:thread_id where there is a thread
	// id: each thread is then a line of its own, and order holds per thread.
	ByThread HashKey = "thread"
)

// Scheme maps rooms to partitions. It is part of the data: all producers and
// workers of one Redis must have the same.
type Scheme struct {
	// Count is the number of partitions, 1 to 256.
	Count int
	// Namespace is the prefix of the queue names.
	Namespace string
	Hash      Hash
	HashKey   HashKey
}

// DefaultScheme is the scheme of a configuration that says nothing.
func DefaultScheme() Scheme {
	return Scheme{Count: 16, Namespace: "outbound", Hash: SHA1, HashKey: ByRoom}
}

// Route is the partition of a room.
func (s Scheme) Route(bridgeID, roomID string) int { return s.RouteThread(bridgeID, roomID, "") }

// RouteThread is the partition of a thread of a room, which is the room's unless the
// hash key is the thread. threadID is empty for none.
func (s Scheme) RouteThread(bridgeID, roomID, threadID string) int {
	key := s.Line(bridgeID, roomID, threadID)
	if s.HashKey == ByBridge {
		key = bridgeID
	}
	return int(s.sum(key) % uint32(s.Count))
}

// Line names the line of a room (or of a thread): what is delivered one at a
// time, in order. Scripts name it with lua/line.lua.
func (s Scheme) Line(bridgeID, roomID, threadID string) string {
	line := bridgeID + ":" + roomID
	if s.HashKey == ByThread && threadID != "" {
		line += ":" + threadID
	}
	return line
}

func (s Scheme) sum(key string) uint32 {
	if s.Hash == FNV1a {
		h := fnv.New32a()
		_, _ = h.Write([]byte(key))
		return h.Sum32()
	}
	sum := sha1.Sum([]byte(key))
	return binary.BigEndian.Uint32(sum[:4])
}

// Queue is the name of a partition's asynq queue, outbound-007 for instance.
func (s Scheme) Queue(index int) string { return fmt.Sprintf("%s-%03d", s.Namespace, index) }

// Key names how rooms are spread, the namespace aside: whoever routes by another
// key routes elsewhere.
func (s Scheme) Key() string {
	return fmt.Sprintf("%d %s %s", s.Count, s.Hash, s.HashKey)
}

// String writes the scheme as it stands in error messages.
func (s Scheme) String() string {
	return fmt.Sprintf("partitions.count=%d namespace=%s hash=%s hash_key=%s",
		s.Count, s.Namespace, s.Hash, s.HashKey)
}
