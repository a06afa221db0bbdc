// Package ratelimit paces sends: it hands out slots so that no window of a
// limit's length holds more sends than the limit, per bridge and per room, over
// all workers, and lets a provider's "retry after" close a bridge or a room for
// all of them.
//
// # Authority
//
// Redis alone decides, in one script a call, on its own clock (TIME), in whole
// milliseconds. A worker keeps nothing that could allow a send. The one thing it
// remembers, whether a bridge may be closed, can only make it ask once more.
//
// # Arithmetic
//
// A scope, that is a bridge or a room, has one list: the times of its latest
// slots, as many as its longest memory N, in order. A limit of N in a window w
// leaves free
//
//	max(now, the latest slot, the N-th latest + w + pad)
//
// and if several limits hold, the latest of these times. A new slot is never
// before the latest one. So the list stays in order even if the limits change,
// and any N+1 slots span at least w + pad.
//
// The pad is 3 % of the window, at least 5 ms and at most 100 ms; a one-second
// window thus uses 97 % of its rate, windows under 167 ms less. Half of it is the
// grace: how late a slot may be used. The other half covers how much the time on
// the network differs between two sends, and 1 ms for the grain of the clock.
//
//	window   10 ms   200 ms    1 s   60 s
//	pad       5 ms     6 ms  30 ms 100 ms
//	grace     2 ms     3 ms  15 ms  50 ms
//
// If several limits apply, the grace is the shortest of theirs.
//
// # Reserving
//
// The room comes first. While its limits, or a closure of it or of its bridge, make
// it wait, nothing is reserved and the answer says when to ask again. Only the head
// of a line asks, so nobody else wants the room's next slot, and a slot far ahead for
// one room would delay all other rooms of its bridge. Then comes the bridge: its next
// slot is taken, however far ahead, unless that is beyond MaxWait. So waiters of a
// bridge are served in the order in which they asked, and they do not poll.
//
// A slot in the future is remembered under its token until its grace is over. A
// worker waits, or puts the envelope aside, asks again shortly before the time (the
// slot's Lead), and gets the same slot, unless it was lost meanwhile. That second
// question is how the worker learns what happened to the bridge while it waited. The
// limiter does not know whether a slot was used, so a token stands for one attempt to
// send, and the next attempt uses another token.
//
// With one send a second allowed and the last one 660 ms ago, the answer is
//
//	Reserved: true, Wait: 370ms, Deadline: 385 ms after Redis was asked
//
// The worker waits 365 ms and asks again, because the bridge may be closed by then or
// the slot recalled. Then it waits 5 ms and sends, within 15 ms less the time that the
// answer took. With the same limit on the room, the answer is
//
//	Reserved: false, Wait: 370ms
//
// and the worker asks again in 370 ms.
//
// A slot is used or lost. It must be used by its Deadline, which a worker checks last,
// right before the send: a slot used late brings two windows' sends into one. A worker
// that misses the deadline asks again. The deadline counts from before Redis was asked,
// so a slow answer, or a process that stood still, shortens it and cannot break the
// limit. Hence Redis must answer within the grace, 15 ms for a one-second window; if it
// never does, every slot is lost.
//
// # Closures
//
// Close raises the closed-until of a scope; the latest end counts. While a scope
// is closed nothing is reserved in it, so Open takes effect at once. Slots before
// the end of a closure are lost, slots after it stay good. Closures are announced
// on the channel outgate:limit:closed, and Watch listens: a worker whose bridge has no
// limits learns of them without asking. If it missed some while it was not connected,
// it learns of them by asking once.
//
// # Refusals
//
// If a provider refuses sends that the limits allow, its limits are tighter than the
// configured ones. Refuse closes the scope and cuts the share of the limits that is
// used: of the room's limits if the provider names a room, else of the bridge's limits
// and of those of all its rooms. A share s of N in w is ceil(N s) in w ceil(N s) / (N s):
// first fewer sends, since providers mind bursts, then longer windows.
//
//	after a refusal                        s = 0.9 s
//	another, within 10 s of the closure    s = 0.7 s, at least 0.02
//	each 0.4 s after the closure           s = s + 0.001, at most 1
//
// A refused send says something only about the share under which its slot was given, so
// sends that were under way together count once. The bridge's slots in the future are
// recalled: they count as used now, and their tokens are void, so a worker that asks
// again gets another slot. Without the recall, the old rate would go on for as long as
// slots are given ahead.
//
// The share is never above 1: no limit is ever exceeded because of one.
//
// # When things fail
//
//   - Redis is away: Reserve fails and nothing may be sent. Wait and ask again with
//     the same token.
//   - The answer is lost: the slot lapses, or is given again by its token.
//   - A worker dies while it has a slot: the slot lapses.
//   - An envelope is gone before its slot comes: the slot lapses. MaxWait keeps
//     such slots few.
//   - A limit is changed: slots given stay, and count. A limit that looks back on
//     more slots than those before must fill its memory first.
//   - The clock of Redis steps back: sends wait until it has caught up. If it steps
//     forward by d, slots may come d early, once. So slew that clock, do not step it.
//   - Redis loses its last writes (a fail-over, a crash): lost slots do not count, so
//     a window may hold up to N sends too many, once.
//
// # Keys
//
// All keys of a bridge are in one cluster slot, begin with outgate:limit:{bridge}:
// and expire when they no longer matter.
//
//	slots, slots:<room>    lists of times, at most the largest N each
//	closed, closed:<room>  closed-until
//	share, share:<room>    share of the limits, since when, from when on it grows
//	closures               the latest closed-until of any scope of the bridge
//	token:<token>          the slot given to the token, and when it was
package ratelimit
