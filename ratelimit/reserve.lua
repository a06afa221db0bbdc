-- Reserves the next slot of a send under the limits of its bridge and its room.
--
-- KEYS[1] slots of the bridge: list of the latest reservations, oldest first
-- KEYS[2] slots of the room: the same
-- KEYS[3] the latest closed-until of any scope of the bridge
-- KEYS[4..3+n] closed-until of each scope that the send is in
-- KEYS[4+n] the slot remembered for the token; absent without a token
--
-- ARGV[1] grace: how late a slot may be used
-- ARGV[2] the longest wait to reserve for, -1 for any
-- ARGV[3] n, the number of scopes
-- ARGV[4] number of room limits
-- ARGV[5..] count and padded window of each limit, the room's first
--
-- Reply: {reserved, now, at, closures}. reserved is 1 for a slot at `at`, 0 for
-- "nothing reserved, ask again at `at`"; closures is KEYS[3], 0 for none.
--
-- All times are integer milliseconds of this server's clock. Numbers decide and
-- expiry only sweeps: every key outlives its last use by SLACK, so that the two
-- clocks of a script, TIME and expiry's, may differ.

local SLACK = 1000

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local grace, patience = tonumber(ARGV[1]), tonumber(ARGV[2])
local scopes = tonumber(ARGV[3])
local room_from = 5
local bridge_from = room_from + 2 * tonumber(ARGV[4])
local token = KEYS[4 + scopes]

local known = redis.call('MGET', unpack(KEYS, 3))
local closures, closed = tonumber(known[1]) or 0, 0
for i = 2, scopes + 1 do closed = math.max(closed, tonumber(known[i]) or 0) end
local slot = tonumber(known[scopes + 2])

local function integer(n) return string.format('%d', n) end

-- SPREAD is how far apart the slots of a bridge are that are waited for: if all of a
-- window fell due at the same instant, not all could be used in time.
local SPREAD = 3

-- earliest is the first moment at which the limits ARGV[from..to] let another
-- slot be. It is never before the latest slot: the n-th last entry is the n-th
-- latest only while the list is in order of time, whatever became of the clock,
-- a closure or the limits since.
local function earliest(key, from, to)
  if from > to then return 0, 0 end
  local last = tonumber(redis.call('LINDEX', key, -1)) or 0
  local at = last
  for i = from, to, 2 do
    local n, window = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
    local nth = tonumber(redis.call('LINDEX', key, integer(-n)))
    if nth then at = math.max(at, nth + window) end
  end
  return at, last
end

-- apart is how far the next slot of the bridge keeps from the latest.
local function apart()
  local ms = SPREAD
  for i = bridge_from, #ARGV, 2 do
    ms = math.min(ms, math.floor(tonumber(ARGV[i + 1]) / tonumber(ARGV[i])))
  end
  return ms
end

-- record appends the slot `at`, and keeps as many as the limits look back on for
-- as long as they do.
local function record(key, from, to, at)
  if from > to then return end
  local keep, window = 0, 0
  for i = from, to, 2 do
    keep = math.max(keep, tonumber(ARGV[i]))
    window = math.max(window, tonumber(ARGV[i + 1]))
  end
  if redis.call('RPUSH', key, integer(at)) > keep then
    redis.call('LTRIM', key, integer(-keep), -1)
  end
  redis.call('PEXPIRE', key, integer(at - now + window + SLACK))
end

if slot then
  if slot >= now - grace and slot >= closed then return {1, now, slot, closures} end
  redis.call('DEL', token)
end

-- Nothing is reserved ahead for a room that must wait or for a closed scope. Only
-- the head of a room asks, so nobody competes for the room's next slot, and a far
-- one would hold up the other rooms of the bridge. A slot behind a closure could
-- not be taken back when the closure is lifted.
local room = math.max(closed, earliest(KEYS[2], room_from, bridge_from - 1))
if room > now then return {0, now, room, closures} end

local at, last = earliest(KEYS[1], bridge_from, #ARGV)
at = at > now and math.max(at, last + apart()) or now
if patience >= 0 and at - now > patience then return {0, now, at, closures} end

record(KEYS[1], bridge_from, #ARGV, at)
record(KEYS[2], room_from, bridge_from - 1, at)
if at > now and token then
  redis.call('SET', token, integer(at), 'PX', integer(at - now + grace + SLACK))
end
return {1, now, at, closures}
