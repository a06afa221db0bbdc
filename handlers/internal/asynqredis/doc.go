// Package asynqredis is the Redis client that asynq's servers are given. It passes
// every command on, but for three kinds of asynq's scripts:
//
//   - A dequeue is answered from a prefetch buffer: heads of lines are taken several
//     at a time. If the queue is empty, the answer is held back until there is
//     something to fetch, so an idle gateway neither polls nor adds latency.
//   - An acknowledgement of a task that our scripts took out of asynq's hands (settled,
//     parked, taken over) is answered here. A settled envelope costs one call less,
//     and asynq v0.26.0, which loses acknowledgements, has none to lose.
//   - A look for scheduled tasks that are due, which asynq makes twice a second, goes
//     to Redis once in ten seconds.
package asynqredis
