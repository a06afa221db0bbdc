package partition

import "time"

// Keys builds the names of one partition's keys. They share the hash tag of the
// partition's asynq queue, so that one script may touch them all on a cluster.
type Keys struct{ Queue string }

// Tag is the first and only key argument of every script: {outbound-007}.
func (k Keys) Tag() string { return "{" + k.Queue + "}" }

func (k Keys) own(name string) string { return "outgate:{" + k.Queue + "}:" + name }

// Asynq is one of asynq's keys of the partition's queue, "pending" for instance.
func (k Keys) Asynq(name string) string { return "asynq:{" + k.Queue + "}:" + name }

// Task is asynq's hash of a task, with our journal of it: see Journal.
func (k Keys) Task(id string) string { return k.Asynq("t:" + id) }

// Pending lists the runnable heads.
func (k Keys) Pending() string { return k.Asynq("pending") }

// Active lists the heads that workers hold.
func (k Keys) Active() string { return k.Asynq("active") }

// Lease has until when workers hold the active heads.
func (k Keys) Lease() string { return k.Asynq("lease") }

// Retry has the heads that wait for a time, by that time.
func (k Keys) Retry() string { return k.Asynq("retry") }

// Scheduled has the parked, who wait behind their heads. Their time never comes.
func (k Keys) Scheduled() string { return k.Asynq("scheduled") }

// Archived has the dead by the time of their death.
func (k Keys) Archived() string { return k.Asynq("archived") }

// Paused is there while somebody has paused the queue.
func (k Keys) Paused() string { return k.Asynq("paused") }

// Processed counts what was settled, and ProcessedOn what was on one day.
func (k Keys) Processed() string { return k.Asynq("processed") }

// ProcessedOn counts what was settled on a day, by UTC.
func (k Keys) ProcessedOn(day time.Time) string { return k.Processed() + ":" + onDay(day) }

// Failed counts the dead letters, and FailedOn those of one day.
func (k Keys) Failed() string { return k.Asynq("failed") }

// FailedOn counts the dead letters of a day, by UTC.
func (k Keys) FailedOn(day time.Time) string { return k.Failed() + ":" + onDay(day) }

func onDay(day time.Time) string { return day.UTC().Format(time.DateOnly) }

// Unique is the lock of an idempotency key, by its hash, until its envelope is
// settled. It holds the envelope's id.
func (k Keys) Unique(hash string) string { return k.Asynq("unique:outgate:" + hash) }

// Idempotency is what is remembered of an idempotency key, by its hash, once its
// envelope is settled: its id and its fingerprint.
func (k Keys) Idempotency(hash string) string { return k.own("key:" + hash) }

// Taken is what a worker was given by its last take, so that it can ask again if the
// answer was lost.
func (k Keys) Taken(worker string) string { return k.own("taken:" + worker) }

// Unavailable maps lines to why nothing can be delivered to them, as JSON.
func (k Keys) Unavailable() string { return k.own("unavailable") }

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
