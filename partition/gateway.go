package partition

import (
	"crypto/sha1"
	"encoding/hex"
	"strconv"
	"time"
)

// The keys that are of the gateway and of no partition. A cluster may have each of
// them on another node.
const (
	// APIKey is the discovery hash that tells any client how to enqueue.
	APIKey = "outgate:api"
	// EventsKey is the stream of what happened to the gateway lately.
	EventsKey = "outgate:events"
	// SuspendedKey maps suspended bridges to why they are, as JSON.
	SuspendedKey = "outgate:bridges:suspended"
	// FatalsKey counts the fatal errors in a row of each bridge.
	FatalsKey = "outgate:bridges:fatals"
	// JobsKey lists the ids of the latest jobs over many dead letters.
	JobsKey = "outgate:jobs"
	// QueuesKey is asynq's set of the queues that it knows.
	QueuesKey = "asynq:queues"
	// ServersKey is asynq's set of the servers that run, by when they are forgotten, and
	// WorkersKey that of the servers that have tasks in hand.
	ServersKey = "asynq:servers"
	WorkersKey = "asynq:workers"
	// CancelChannel is asynq's channel of tasks whose handler is to stop.
	CancelChannel = "asynq:cancel"
)

// EventField is the one field of an entry of EventsKey, JSON.
const EventField = "event"

// The headers of asynq's task messages that scripts write for an envelope with an
// idempotency key: the key's KeyHash, and the envelope's fingerprint.
const (
	KeyHeader         = "outgate-key"
	FingerprintHeader = "outgate-fingerprint"
)

// How long keys live that Go writes; scripts say it of theirs.
const (
	// EventsTTL is how long the events are kept after the last one, and MostEvents how
	// many are, whatever their age.
	EventsTTL  = 30 * 24 * time.Hour
	MostEvents = 500
	// UnavailableTTL is how long the unavailable rooms of a partition are kept after the
	// last one.
	UnavailableTTL = 7 * 24 * time.Hour
	// PiecesTTL is how long it is known which messages a text became: longer than any
	// provider of ours lets one be edited as a rule.
	PiecesTTL = 7 * 24 * time.Hour
	// AttemptsTTL is how long the attempts of a minute are kept.
	AttemptsTTL = 10 * time.Minute
	// ProbeTTL is how long one head of a suspended bridge is its probe.
	ProbeTTL = 15 * time.Second
	// ProbeToldTTL is how long after an event of a failed probe there is no other.
	ProbeToldTTL = time.Hour
	// CounterTTL is how long asynq keeps the counters of a day.
	CounterTTL = 90 * 24 * time.Hour
	// JobTTL is how long jobs are kept.
	JobTTL = 24 * time.Hour
)

// ProbeKey is there while a head of a suspended bridge is on its way as its probe. It
// holds the envelope's id.
func ProbeKey(bridge string) string { return "outgate:bridges:probe:" + bridge }

// ProbeToldKey is there while no other event of a failed probe is to be written.
func ProbeToldKey(bridge string) string { return "outgate:bridges:probe_told:" + bridge }

// PiecesKey lists the messages that a long text became, by the room and the first of
// them.
func PiecesKey(routingKey, messageID string) string {
	return "outgate:pieces:" + sha1Hex(routingKey+"\n"+messageID)
}

// AttemptsKey counts the attempts of one minute, the unix time over 60, over all
// bridges.
func AttemptsKey(minute int64) string { return "outgate:attempts:" + strconv.FormatInt(minute, 10) }

// AttemptsFields are the counters of a bridge under AttemptsKey: all of its attempts,
// and those that were refused for their pace. No bridge has a colon in its id.
func AttemptsFields(bridge string) (attempts, limited string) {
	return bridge + ":attempts", bridge + ":rate_limited"
}

// JobKey is a job and how far it is, as JSON.
func JobKey(id string) string { return "outgate:job:" + id }

// JobStopKey is there once somebody asked the job to stop.
func JobStopKey(id string) string { return JobKey(id) + ":stop" }

// KeyHash is the hash of an idempotency key and the room that it is used in.
func KeyHash(routingKey, key string) string { return sha1Hex(routingKey + "\n" + key) }

func sha1Hex(s string) string {
	sum := sha1.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}
