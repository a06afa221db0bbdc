// Package api is the JSON API under /api/v1, which the operator's page and the
// command line stand on: how the gateway is, what it waits for, and what an
// operator does about it.
//
// A request reads a bounded part of Redis, whatever is in it. Where the answer
// would need all of it, the package keeps what it has seen (survey of rooms,
// records of dead letters) and goes on a little with each request; the answer says
// how much was looked at. What changes many things, a replay, is a job: it is paced,
// its progress is in Redis where every process finds it, and it can be stopped.
//
// The command line calls the same functions, with Redis alone and no server between.
// Only it asks for what all.go has, which reads as much as there is.
//
// GET changes nothing. Whatever else needs Content-Type: application/json and must
// come from the same origin; the token is checked by whoever mounts the handler. No
// answer has the text of a message.
package api
