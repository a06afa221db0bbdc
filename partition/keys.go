package partition

import (
	"fmt"
	"strconv"
)

// APIKey is the discovery hash that tells any client how to enqueue.
const APIKey = "outgate:api"

// Keys builds the names of one partition's keys. They share the hash tag of the
// partition's asynq queue, so that one script may touch them all on a cluster.
type Keys struct{ Queue string }

// Tag is the first and only key argument of every script: {outbound-007}.
func (k Keys) Tag() string { return "{" + k.Queue + "}" }

func (k Keys) own(name string) string { return "outgate:{" + k.Queue + "}:" + name }

// Asynq is one of asynq's keys of the partition's queue, "pending" for instance.
func (k Keys) Asynq(name string) string { return "asynq:{" + k.Queue + "}:" + name }

// Task is asynq's hash of a task.
func (k Keys) Task(id string) string { return k.Asynq("t:" + id) }

// Outcome is the outcome of an envelope, as JSON.
func (k Keys) Outcome(id string) string { return k.own("outcome:" + id) }

// Outcomes is the channel that outcomes are published on.
func (k Keys) Outcomes() string { return k.own("outcomes") }

// Wake is the channel that idle workers wait on.
func (k Keys) Wake() string { return k.own("wake") }

// Events is the channel of pressure transitions and refusals.
func (k Keys) Events() string { return k.own("events") }

// State is a hash of what the scripts need to know of the configuration, the
// pressure level, the last id, and the counters of admission.
func (k Keys) State() string { return k.own("state") }

// Bridges maps bridge ids to their channels.
func (k Keys) Bridges() string { return k.own("bridges") }

// Heads maps each line to the id at its head.
func (k Keys) Heads() string { return k.own("heads") }

// LineOf is the list of ids that wait behind the head of a line.
func (k Keys) LineOf(line string) string { return k.own("line:" + line) }

// Edits maps the messages of a line to the edits of them that follow each other.
func (k Keys) Edits(line string) string { return k.own("edits:" + line) }

// In is the stream of envelopes of producers that may do no more than XADD.
func (k Keys) In() string { return "outgate:in:{" + k.Queue + "}" }

// Reply is the list of what such a producer is told, by the name it gave.
func (k Keys) Reply(name string) string { return "outgate:reply:{" + k.Queue + "}:" + name }

// Dead lists the dead letters by the time of their death.
func (k Keys) Dead() string { return k.own("dead") }

// DeadLetter is the record of one dead letter.
func (k Keys) DeadLetter(id string) string { return k.own("dead:" + id) }

// Steps is what became of the attempts of a settled envelope that needed several.
func (k Keys) Steps(id string) string { return k.own("steps:" + id) }

// Sweeper is the lease of the one sweeper of the partition.
func (k Keys) Sweeper() string { return k.own("sweeper") }

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
