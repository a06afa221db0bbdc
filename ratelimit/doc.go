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
// and where several limits hold, the latest of these times. A new slot is never
// before the latest one. So the list stays in order whatever becomes of the
// limits, and any N+1 slots span w + pad at least.
//
// The pad is 3 % of the window, at least 5 ms and at most 100 ms; a one-second
// window thus uses 97 % of its rate, windows under 167 ms less. Half of it is the
// grace: how late a slot may be used. The other half is what the way to the
// provider may vary between two sends, and 1 ms of it the grain of the clock.
//
//	window   10 ms   200 ms    1 s   60 s
//	pad       5 ms     6 ms  30 ms 100 ms
//	grace     2 ms     3 ms  15 ms  50 ms
//
// Where several limits apply, the grace is the shortest.
//
// # Reserving
//
// The room comes first. While its limits, or a closure of it or its bridge, make
// it wait, nothing is reserved and the answer says when to ask again: only the
// head of a line asks, so nobody else wants the room's next slot, and a slot far
// ahead for one room would hold up all others of its bridge. Then the bridge: its
// next slot is taken, however far ahead, unless that is beyond MaxWait. Waiters
// of a bridge are so served in the order they asked, and do not poll.
//
// A slot to wait for is remembered under its token until its grace is over. A
// worker waits, or puts the envelope aside, asks again shortly before the time (the
// slot's Lead) and gets the same slot, unless it was lost meanwhile: so what became of
// the bridge while it waited need not reach it in any other way. The limiter does not
// know whether a slot was used, so a token stands for one attempt to send, and the next
// attempt takes another.
//
// A slot is used or lost. It must be used by its Deadline, which is to be looked
// at last, right before the send: a slot used late brings two windows' sends into
// one. Who misses it asks again. The deadline counts from before Redis was asked,
// so a slow answer, or a process that stood still, shortens it and cannot break
// the limit. Hence Redis has to answer within the grace, 15 ms for a one-second
// window; where it never does, every slot is lost.
//
// # Closures
//
// Close raises the closed-until of a scope; the latest end counts. While a scope
// is closed nothing is reserved in it, so Open takes effect at once; slots before
// the end of a closure are lost, slots after it stay good. Closures are announced
// on the channel outgate:limit:closed, and Watch listens: a worker whose bridge has no
// limits learns of them without asking. What it missed while it was not connected it
// learns by asking once.
//
// # Refusals
//
// A provider that refuses what the limits let through has tighter limits than we know.
// Refuse closes the scope, and cuts the share of the limits that is used: of the room's
// where the provider names a room, else of the bridge's list and of those of all rooms
// that share it. A share s of N in w is ceil(N s) in w ceil(N s) / (N s): fewer sends
// first, since providers mind bursts, then longer windows.
//
//	after a refusal                        s = 0.9 s
//	another, within 10 s of the closure    s = 0.7 s, 0.02 at the least
//	each 0.4 s after the closure           s = s + 0.001, 1 at the most
//
// A refused send tells of the share under which its slot was given, so those that were
// under way together count once. The slots of the bridge that were given ahead are called
// back: they count as used now, and their tokens are void, so that who asks again gets
// another. Without that the old rate would go on for as long as the slots reach ahead.
//
// The share is never above 1: no limit is ever exceeded because of one.
//
// # When things fail
//
//   - Redis is away: Reserve fails and nothing may be sent. Wait and ask again;
//     the same token is right.
//   - The answer is lost: the slot lapses, or is given again by its token.
//   - A worker dies with a slot: it lapses.
//   - An envelope is gone before its slot comes: the slot lapses. MaxWait keeps
//     such slots few.
//   - A limit is changed: slots given stay, and count. A limit that looks back on
//     more slots than those before it has to fill its memory first.
//   - The clock of Redis steps back: sends wait for it to come round. Forward by
//     d: slots may come d early, once, so that clock should be slewed.
//   - Redis forgets (a fail-over or a crash that loses the last writes): what it
//     forgot does not count, so a window may hold up to N sends too many, once.
//
// # Keys
//
// All keys of a bridge are in one cluster slot, begin with outgate:limit:{bridge}:
// and expire when they cannot matter any more.
//
//	slots, slots:<room>    lists of times, at most the largest N each
//	closed, closed:<room>  closed-until
//	share, share:<room>    share of the limits, since when, from when on it grows
//	closures               the latest closed-until of any scope of the bridge
//	token:<token>          the slot given to the token, and when it was
package ratelimit
