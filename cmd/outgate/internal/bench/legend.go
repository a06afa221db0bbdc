package bench

import "fmt"

// Legend describes one figure.
type Legend struct {
	// Measurement is the name of the measurement, and Key is that of the figure.
	Measurement, Key, Unit, Text string
}

// Units of the figures.
const (
	perSecond = "/s"
	micro     = "µs"
	milli     = "ms"
	percent   = "%"
	times     = "×"
	bytes     = "B"
)

// Legends describes every figure, in the order of the table.
func Legends() []Legend {
	all := []Legend{
		{"delivered", "delivered_per_s", perSecond, "envelopes delivered and settled"},
		{"delivered", "delivered_cpu_us", micro, "CPU of this process, each"},
		{"delivered", "delivered_redis_us", micro, "CPU of Redis, each"},
		{"delivered", "asynq_processed_per_s", perSecond, "tasks processed by plain asynq"},
		{"delivered", "asynq_cpu_us", micro, "CPU of this process, each"},
		{"delivered", "asynq_redis_us", micro, "CPU of Redis, each"},
		{"delivered", "delivered_ratio", times, "delivered, against asynq in the same run"},
		{"delivered", "two_bridges_per_s", perSecond, "delivered if two bridges share the rooms"},
		{"delivered", "two_bridges_ratio", times, "two bridges against one"},
		{"enqueue", "enqueue_per_s", perSecond, "admitted one by one by 16 goroutines"},
		{"enqueue", "enqueue_cpu_us", micro, "CPU of this process, each"},
		{"enqueue", "enqueue_redis_us", micro, "CPU of Redis, each"},
		{"enqueue", "asynq_enqueued_per_s", perSecond, "enqueued one by one through asynq.Client"},
		{"enqueue", "enqueue_ratio", times, "one by one, against asynq in the same run"},
		{"enqueue", "batch_per_s", perSecond, "admitted in batches of 100 of one partition"},
		{"enqueue", "batch_ratio", times, "in batches, against asynq one by one"},
		{"idle", "idle_p50_ms", milli, "enqueued to sent through an idle gateway, median"},
		{"idle", "idle_p99_ms", milli, "the same, 99th percentile"},
		{"idle", "idle_cpu_percent", percent, "of one core without traffic, process and Redis"},
		{"idle", "idle_process_cpu_percent", percent, "of this, the process"},
		{"idle", "idle_redis_cpu_percent", percent, "of this, Redis"},
		{"isolation", "quiet_alone_p50_ms", milli, "a quiet room alone, median"},
		{"isolation", "quiet_alone_p99_ms", milli, "the same, 99th percentile"},
		{"isolation", "quiet_beside_p50_ms", milli, "beside a flooded room of its partition, median"},
		{"isolation", "quiet_beside_p99_ms", milli, "the same, 99th percentile"},
		{"isolation", "quiet_p50_ratio", times, "beside, against alone, median"},
		{"isolation", "quiet_p99_ratio", times, "beside, against alone, 99th percentile"},
	}
	return append(append(all, flatnessLegends()...), partitionsLegends()...)
}

func flatnessLegends() []Legend {
	var all []Legend
	cost := func(key, text string) {
		all = append(all,
			Legend{"flatness", key + "_wall_us", micro, "wall time a message, " + text},
			Legend{"flatness", key + "_cpu_us", micro, "CPU a message, process and Redis, " + text})
	}
	for _, n := range append(fitting(waitingSizes, million), million) {
		cost(fmt.Sprintf("waiting_%d", n), fmt.Sprintf("%d waiting", n))
	}
	all = append(all,
		Legend{"flatness", "waiting_wall_ratio", times, "largest wall time against smallest"},
		Legend{"flatness", "waiting_cpu_ratio", times, "largest CPU against smallest"})
	for _, n := range fitting(roomSizes, million) {
		cost(fmt.Sprintf("rooms_%d", n), fmt.Sprintf("%d rooms", n))
	}
	return append(all,
		Legend{"flatness", "rooms_wall_ratio", times, "largest wall time against smallest, without the one room"},
		Legend{"flatness", "rooms_cpu_ratio", times, "largest CPU against smallest"},
		Legend{"flatness", "memory_per_waiting_bytes", bytes, "of Redis for a waiting message, without its JSON"},
		Legend{"flatness", "waiting_envelope_bytes", bytes, "its JSON"})
}

func partitionsLegends() []Legend {
	var all []Legend
	for _, n := range fitting(partitionCounts, million) {
		all = append(all,
			Legend{"partitions", fmt.Sprintf("partitions_%d_per_s", n), perSecond, fmt.Sprintf("delivered with %d partitions", n)},
			Legend{"partitions", fmt.Sprintf("partitions_%d_slow_per_s", n), perSecond, fmt.Sprintf("the same, each send taking %s", farAway)})
	}
	return append(all,
		Legend{"partitions", "partitions_16_over_1", times, "sixteen partitions against one"},
		Legend{"partitions", "partitions_slow_16_over_1", times, fmt.Sprintf("the same, each send taking %s", farAway)})
}
