package layout

import (
	"strings"
	"time"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/ratelimit"
)

// q builds the patterns of a partition's keys.
var q = partition.Keys{Queue: "QUEUE"}

// Who writes and reads.
const (
	worker    = "workers"
	announced = "a worker that starts, or that finds it lost"
	asynqs    = "asynq"
	pages     = "the page, the API, the CLI"
	producers = "clients"
	everybody = "everybody"
)

// How long.
const (
	always  = "as long as Redis' data"
	waiting = "while anything waits there"
)

// Groups are all keys.
var Groups = []Group{
	{
		Title: "A partition", Keys: partitions,
		Text: "QUEUE is the partition's asynq queue, `outbound-007` for instance. All keys of a partition are in one slot of a cluster, that of `{QUEUE}`. LINE is `bridge_id:external_room_id`, with `:thread_id` if `partitions.hash_key` is `thread`. ID is an envelope's id, and HASH the SHA-1 of the routing key, a line feed and the idempotency key.",
	},
	{
		Title: "asynq's keys of a partition", Keys: queues,
		Text: "They are written as asynq v0.26.0 writes them, so that its own tools can read them. The scripts take part in that: what asynq's client and server would do for one task they do for several, or together with the line.",
	},
	{
		Title: "The gateway", Keys: gateways,
		Text: "These are of no partition. A cluster may have each on another node.",
	},
	{
		Title: "The limiter of a bridge", Keys: limiters,
		Text: "All keys of a bridge are in one slot of a cluster. A name is of a scope: of the bridge, of a ROUTE (a kind of request, if the provider tells kinds apart), of a ROOM, or of a route of a room. Times are in unix ms by the clock of Redis.",
	},
	{
		Title: "Channels", Keys: channels,
		Text: "What is published is not kept. Whoever has to know reads it again.",
	},
}

var partitions = []Key{
	{
		Pattern: q.State(), Type: Hash, Holds: "what the scripts have to know, and the counters of admission",
		Writers: announced + "; enqueue, finish, held, sweep", Readers: everybody, Life: always,
		Fields: []Field{
			{"partition", "its number"},
			{"scheme", "count, hash and hash key of the partitions: a client that routed by others is refused"},
			{"partitions", "how many there are"},
			{"hash", "`sha1` or `fnv1a`"},
			{"hash_key", "`room`, `bridge` or `thread`"},
			{"capacity", "how many envelopes it holds at most"},
			{"warn", "the depth at which the level is 1"},
			{"degraded", "the depth at which the level is 2"},
			{"shed", "the depth at which the level is 3"},
			{"hysteresis", "how far the depth has to fall below that before the level falls"},
			{"shed_priorities", "who is refused at level 3, with commas between"},
			{"throttle_ms", "how long producers are asked to pause from level 2 on"},
			{"max_bytes", "the largest envelope"},
			{"level", "the pressure level, 0 to 3"},
			{"seq", "the number of the last id, the time of its admission in µs"},
			{"enqueued:OPERATION:PRIORITY", "envelopes admitted"},
			{"duplicates", "enqueues answered as duplicates"},
			{"level:LEVEL", "changes to that level"},
			{"removed", "envelopes whose task was deleted or archived by hand"},
		},
	},
	{
		Pattern: q.Bridges(), Type: Hash, Holds: "the channels of the bridges: an envelope of another channel is refused",
		Writers: announced, Readers: "enqueue, " + pages, Life: always,
		Fields: []Field{{"BRIDGE", "its channel, `telegram` for instance"}},
	},
	{
		Pattern: q.Heads(), Type: Hash, Holds: "the heads of the lines", Writers: "enqueue, begin, finish, held, sweep", Readers: everybody, Life: waiting,
		Fields: []Field{{"LINE", "the id at its head"}},
	},
	{
		Pattern: q.LineOf("LINE"), Type: List, Holds: "the ids that wait behind the head, in order",
		Writers: "enqueue, begin, finish, held, sweep", Readers: "finish, held, sweep, " + pages, Life: waiting,
	},
	{
		Pattern: q.Edits("LINE"), Type: Hash, Holds: "which edits of a message follow each other, for `coalesce_edits`",
		Writers: "enqueue", Readers: "superseded", Life: "24 h after the last edit", Expires: true,
		Fields: []Field{{"MESSAGE", "the ids of the first and the last of them"}},
	},
	{
		Pattern: q.Outcome("ID"), Type: String, Holds: "the outcome, as JSON", Writers: "finish, held, sweep", Readers: producers + ", " + pages,
		Life: "`results.ttl`; with an idempotency key the idempotency window, if that is longer; of a removed envelope 24 h", Expires: true,
	},
	{
		Pattern: q.Steps("ID"), Type: String, Holds: "how the attempts ended of a settled envelope that needed several",
		Writers: "finish, held", Readers: pages, Life: "as long as its outcome or its dead letter", Expires: true,
	},
	{
		Pattern: q.Idempotency("HASH"), Type: String, Holds: "the id and the fingerprint of a settled envelope with that idempotency key",
		Writers: "finish, held, sweep", Readers: "enqueue, " + pages, Life: "the idempotency window (`delivery.idempotency_window`); of a removed envelope 24 h", Expires: true,
	},
	{
		Pattern: q.Dead(), Type: ZSet, Holds: "the ids of the dead letters, by the time of their death in unix ms",
		Writers: "finish, held, sweep", Readers: pages, Life: "while there are dead letters; the sweeper takes off what has run out",
	},
	{
		Pattern: q.DeadLetter("ID"), Type: Hash, Holds: "a dead letter", Writers: "finish, held, enqueue", Readers: pages + ", enqueue",
		Life: "`dead_letters.ttl`", Expires: true,
		Fields: []Field{{"record", "the dead letter as JSON, with its envelope and its outcome"}, {"replayed_as", "the id it was admitted again under"}},
	},
	{
		Pattern: q.Unavailable(), Type: Hash, Holds: "rooms that nothing can be delivered to, at most 1,000", Writers: worker, Readers: worker + ", " + pages,
		Life: hours(partition.UnavailableTTL) + " after the last one; a room is taken off once something is delivered there", Expires: true,
		Fields: []Field{{"LINE", "what the provider said, and when first, as JSON"}},
	},
	{
		Pattern: q.Sweeper(), Type: String, Holds: "the lease of the worker that mends the partition and reports on it",
		Writers: "sweep, release", Readers: "sweep, " + pages, Life: "10 s after that worker's last pass", Expires: true,
	},
	{
		Pattern: q.Taken("WORKER"), Type: String, Holds: "what a worker was given by its last take, for one that got no answer",
		Writers: "take", Readers: "take", Life: "60 s", Expires: true,
	},
	{
		Pattern: q.In(), Type: Stream, Holds: "envelopes of producers that may do no more than XADD",
		Writers: producers, Readers: "enqueue", Life: "until a worker has admitted them",
		Fields: []Field{{"envelope", "its JSON"}, {"reply_to", "the name of the list to reply to"}, {"ref", "what the replies are to repeat"}},
	},
	{
		Pattern: q.Reply("NAME"), Type: List, Holds: "replies to such a producer, as JSON; the last 1,000",
		Writers: "enqueue, finish, held, sweep", Readers: producers, Life: "10 min after the last one, or `results.ttl` if that is longer", Expires: true,
	},
}

var queues = []Key{
	{
		Pattern: q.Task("ID"), Type: Hash, Holds: "a task, with our journal of it in fields that begin with `og_`",
		Writers: "enqueue, take, putback, begin, suspend, finish, held, sweep; " + asynqs, Readers: everybody,
		Life:   "until it is settled; a dead one as long as it is among the latest 10,000 in asynq's archive",
		Fields: taskFields,
	},
	{
		Pattern: q.Pending(), Type: List, Holds: "the runnable heads; the next to be taken is the last", Writers: "enqueue, take, putback, finish, held, sweep; " + asynqs, Readers: everybody, Life: waiting,
	},
	{
		Pattern: q.Active(), Type: List, Holds: "the heads that workers hold", Writers: "take, putback, begin, finish, sweep; " + asynqs, Readers: everybody, Life: waiting,
	},
	{
		Pattern: q.Lease(), Type: ZSet, Holds: "until when they hold them, in unix s", Writers: "take, putback, begin, finish, sweep; " + asynqs, Readers: "sweep", Life: waiting,
	},
	{
		Pattern: q.Retry(), Type: ZSet, Holds: "the heads that wait for a time, by that time in unix s, which is up to 2.2 s early", Writers: asynqs + "; finish, sweep", Readers: everybody, Life: waiting,
	},
	{
		Pattern: q.Scheduled(), Type: ZSet, Holds: "the parked, who wait behind their heads; their time is the year 9999", Writers: "enqueue, begin, finish, held, sweep", Readers: everybody, Life: waiting,
	},
	{
		Pattern: q.Archived(), Type: ZSet, Holds: "the dead by the time of their death in unix s, the latest 10,000", Writers: "finish, held, enqueue, sweep; " + asynqs, Readers: everybody, Life: "while there are any",
	},
	{
		Pattern: q.Unique("HASH"), Type: String, Holds: "the id of the waiting envelope with that idempotency key", Writers: "enqueue, finish, held, sweep", Readers: "enqueue, " + pages,
		Life: "until it is settled; one year if its task is lost", Expires: true,
	},
	{
		Pattern: q.Paused(), Type: String, Holds: "when somebody paused the queue, in unix s", Writers: "asynqmon", Readers: "take, " + pages, Life: "until it is resumed",
	},
	{
		Pattern: q.Processed(), Type: String, Holds: "how many envelopes were settled", Writers: worker, Readers: "asynqmon, " + pages, Life: always,
	},
	{
		Pattern: q.Failed(), Type: String, Holds: "how many of them were not delivered", Writers: worker, Readers: "asynqmon, " + pages, Life: always,
	},
	{
		Pattern: q.Processed() + ":DATE", Type: String, Holds: "the same of one day, by UTC", Writers: worker, Readers: "asynqmon", Life: hours(partition.CounterTTL), Expires: true,
	},
	{
		Pattern: q.Failed() + ":DATE", Type: String, Holds: "the same of one day, by UTC", Writers: worker, Readers: "asynqmon", Life: hours(partition.CounterTTL), Expires: true,
	},
}

var taskFields = []Field{
	{"msg", "asynq's task message in protobuf: type, payload (the envelope's JSON), id, queue, retry, timeout, and with an idempotency key its lock and the headers `outgate-key` and `outgate-fingerprint`; of a failed one the text and the time"},
	{"state", "asynq's: `pending`, `active`, `retry`, `scheduled` (parked) or `archived`"},
	{"pending_since", "when it became runnable, in unix ns"},
	{"unique_key", "the name of its lock, with an idempotency key"},
	{"og_head", "1: a script made it the head of its line, so that take may begin its first attempt"},
	{"og_flight", "the token of the attempt that is under way: the last thing written before a send"},
	{"og_try", "the number of the last attempt"},
	{"og_at", "when the first attempt began, in unix ms"},
	{"og_journal", "1: an attempt reported or was cut off, so begin has to look"},
	{"og_reported", "the token of the last attempt that reported, so that a repeated report changes nothing"},
	{"og_crashes", "how many attempts never reported"},
	{"og_ambiguous", "1: an attempt may have been accepted without our knowing"},
	{"og_until", "when the next attempt may begin, in unix ms"},
	{"og_progress", "what is delivered of it, as JSON: `done`, `ids`, `result`, `doubled`, `throttled`, `queued_ms`"},
	{"og_steps", "how attempts ended that were followed by others: `<unix ms> <try> <reason>;` each, at most 512 bytes"},
	{"og_reply", "producers of the stream who wait for its outcome: a line of name and ref each"},
	{"og_critical", "1: parked, and to go to the front of its partition"},
	{"og_held", "1: dead, and its line waits for an operator"},
	{"og_settled", "1: settled, whatever asynq's archive still has of it"},
}

var gateways = []Key{
	{
		Pattern: partition.APIKey, Type: Hash, Holds: "how any client enqueues (docs/protocol.md)", Writers: announced, Readers: producers + ", workers", Life: always,
		Fields: []Field{
			{"version", "1, of the protocol"},
			{"partitions", "how many there are"},
			{"namespace", "the beginning of the queues' names"},
			{"hash", "`sha1` or `fnv1a`"},
			{"hash_key", "`room`, `bridge` or `thread`"},
			{"enqueue", "the SHA-1 of the admission script"},
			{"enqueue_source", "its text"},
		},
	},
	{
		Pattern: partition.EventsKey, Type: Stream, Holds: "what happened to the gateway lately; the last " + number(partition.MostEvents),
		Writers: "workers, operators", Readers: pages, Life: hours(partition.EventsTTL) + " after the last one", Expires: true,
		Fields: []Field{{partition.EventField, "what, about what, by whom and why, as JSON"}},
	},
	{
		Pattern: partition.SuspendedKey, Type: Hash, Holds: "the suspended bridges", Writers: "workers, operators", Readers: worker + ", " + pages, Life: "while a bridge is suspended",
		Fields: []Field{{"BRIDGE", "by whom, why and since when, as JSON"}},
	},
	{
		Pattern: partition.FatalsKey, Type: Hash, Holds: "the fatal errors in a row of bridges", Writers: worker, Readers: worker + ", " + pages, Life: "until something is delivered",
		Fields: []Field{{"BRIDGE", "how many"}},
	},
	{
		Pattern: partition.ProbeKey("BRIDGE"), Type: String, Holds: "the id of the envelope that is the suspended bridge's probe", Writers: worker, Readers: worker, Life: seconds(partition.ProbeTTL), Expires: true,
	},
	{
		Pattern: partition.ProbeToldKey("BRIDGE"), Type: String, Holds: "that an event told of a failed probe", Writers: worker, Readers: worker, Life: hours(partition.ProbeToldTTL), Expires: true,
	},
	{
		Pattern: strings.TrimSuffix(partition.PiecesKey("", ""), partition.KeyHash("", "")) + "HASH", Type: List,
		Holds:   "the messages that a long text became, for its edits. HASH is the SHA-1 of the routing key, a line feed and the first message's id",
		Writers: worker, Readers: worker, Life: hours(partition.PiecesTTL), Expires: true,
	},
	{
		Pattern: strings.TrimSuffix(partition.AttemptsKey(0), "0") + "MINUTE", Type: Hash, Holds: "the attempts of one minute; MINUTE is the unix time over 60",
		Writers: worker, Readers: pages, Life: minutes(partition.AttemptsTTL), Expires: true,
		Fields: []Field{{attemptsFields[0], "attempts over the bridge"}, {attemptsFields[1], "those that were refused for their pace"}},
	},
	{
		Pattern: partition.JobsKey, Type: List, Holds: "the ids of the latest 20 jobs over many dead letters", Writers: "the API", Readers: "the API", Life: hours(partition.JobTTL) + " after the last one", Expires: true,
	},
	{
		Pattern: partition.JobKey("JOB"), Type: String, Holds: "a job and how far it is, as JSON", Writers: "the API", Readers: "the API", Life: hours(partition.JobTTL) + " after its last word", Expires: true,
	},
	{
		Pattern: partition.JobStopKey("JOB"), Type: String, Holds: "that somebody asked the job to stop", Writers: "the API", Readers: "the API", Life: hours(partition.JobTTL), Expires: true,
	},
	{
		Pattern: partition.QueuesKey, Type: Set, Holds: "the queues that asynq knows", Writers: announced + ", " + asynqs, Readers: "asynqmon", Life: always,
	},
	{
		Pattern: partition.ServersKey, Type: ZSet, Holds: "asynq's servers, one a partition and worker, by when they are forgotten", Writers: asynqs, Readers: "asynqmon, " + pages, Life: "while a worker runs",
	},
	{
		Pattern: partition.ServersKey + ":{SERVER}", Type: String, Holds: "one of them, in protobuf", Writers: asynqs, Readers: "asynqmon", Life: "15 s after its last heartbeat", Expires: true,
	},
	{
		Pattern: partition.WorkersKey, Type: ZSet, Holds: "the servers that have tasks in hand", Writers: asynqs, Readers: "asynqmon", Life: "while a worker runs",
	},
	{
		Pattern: partition.WorkersKey + ":{SERVER}", Type: Hash, Holds: "the tasks that one of them has in hand", Writers: asynqs, Readers: "asynqmon", Life: "15 s after its last heartbeat", Expires: true,
		Fields: []Field{{"ID", "in protobuf"}},
	},
}

var attemptsFields = func() [2]string {
	attempts, limited := partition.AttemptsFields("BRIDGE")
	return [2]string{attempts, limited}
}()

var limiters = []Key{
	limiter("slots[@ROUTE][:ROOM]", List, "the latest slots that were given, as far back as the limits look", "as long as the limits look back"),
	limiter("closed[@ROUTE][:ROOM]", String, "until when the scope is closed, because a provider said so", "1 s longer than that"),
	limiter("closures", String, "the latest of these of any scope of the bridge", "1 s longer than that"),
	limiter("share[@ROUTE][:ROOM]", String, "how much of its limits the scope uses in thousandths, since when, and from when on it grows, after the provider refused it for its pace", "until it has grown back, at most 7 min"),
	limiter("token:TOKEN", String, "the slot that is ahead for one attempt, and when it was given", "1 s longer than the slot is good"),
}

func limiter(name string, t Type, holds, life string) Key {
	return Key{
		Pattern: ratelimit.Key("BRIDGE", name), Type: t, Holds: holds,
		Writers: "the limiter", Readers: "the limiter, " + pages, Life: life, Expires: true,
	}
}

var channels = []Key{
	channel(q.Outcomes(), "the outcome of each envelope as it is settled, as JSON", "finish, held, sweep", producers),
	channel(q.Wake(), "that something is runnable after nothing was", "enqueue, held, sweep", worker),
	channel(q.Events(), "refusals and changes of the pressure level, as JSON", "enqueue, finish, held, sweep", worker),
	channel(ratelimit.ClosedChannel, "for how many ms a bridge or a scope of it is closed, and the bridge", "the limiter", worker),
	channel(partition.CancelChannel, "asynq's: ids of tasks whose handler is to stop", asynqs, asynqs),
}

func channel(name, holds, writers, readers string) Key {
	return Key{Pattern: name, Type: Channel, Holds: holds, Writers: writers, Readers: readers, Life: "as it is published"}
}

func hours(d time.Duration) string   { return number(int(d.Hours())) + " h" }
func minutes(d time.Duration) string { return number(int(d.Minutes())) + " min" }
func seconds(d time.Duration) string { return number(int(d.Seconds())) + " s" }
