// Package asynqredis is the Redis client that asynq's servers use. It passes every command
// on to Redis, with three exceptions among asynq's scripts:
//
//   - A dequeue is answered from a prefetch buffer, which takes several heads of lines at
//     a time. If the queue is empty, the answer waits until there is a task to fetch, so
//     an idle gateway neither polls nor adds latency.
//   - An acknowledgement of a task that our scripts have already removed from asynq
//     (settled, parked, taken over) is answered here. A settled envelope costs one call
//     less, and asynq v0.26.0, which loses acknowledgements, has none to lose.
//   - asynq looks for due scheduled tasks twice a second. Only one of these calls in ten
//     seconds goes to Redis.
package asynqredis
