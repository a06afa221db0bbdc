-- Reserves the next slot of a send under the limits of its bridge and its room.
--
-- KEYS[1] slots of the bridge: a list of its latest reservations, oldest first
-- KEYS[2] slots of the room: the same
-- KEYS[3] the latest closed-until of any scope of the bridge
-- KEYS[4] share of the bridge's limits, KEYS[5] share of the room's
-- KEYS[6..5+n] closed-until of each scope that the send belongs to
-- KEYS[6+n] the slot remembered for the token, "<slot> <given>"; absent without a token
--
-- ARGV[1] grace: how late a slot may be used
-- ARGV[2] the longest wait to reserve for; -1 means any
-- ARGV[3] n, the number of scopes
-- ARGV[4] number of room limits
-- ARGV[5..] count and padded window of each limit, the room's first
--
-- Reply: {reserved, now, at, closures, given}. `reserved` is 1 for a slot at `at`, 0 for
-- "nothing is reserved, ask again at `at`"; `closures` is KEYS[3], 0 for none; `given`
-- is when the slot was reserved.
--
-- All times are integer milliseconds of this server's clock. The stored numbers decide;
-- expiry only cleans up.
-- @include share.lua

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local grace, patience = tonumber(ARGV[1]), tonumber(ARGV[2])
local scopes = tonumber(ARGV[3])
local room_from = 5
local bridge_from = room_from + 2 * tonumber(ARGV[4])
local token = KEYS[6 + scopes]

local known = redis.call('MGET', unpack(KEYS, 3))
local closures, closed = tonumber(known[1]) or 0, 0
local bridge_share, recalled = share_of(known[2], now)
local room_share = math.min(bridge_share, (share_of(known[3], now)))
for i = 4, scopes + 3 do closed = math.max(closed, tonumber(known[i]) or 0) end

-- SPREAD is the distance in milliseconds between a bridge's slots in the future: if all
-- slots of a window came at the same instant, not all could be used in time.
local SPREAD = 3

-- limit is the limit at ARGV[i], or a share of it. A third of 30 in one second is 10 in
-- one second, since providers mind bursts too. A third of 1 in one second is 1 in three.
local function limit(i, share)
  local n, window = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
  if share == FULL then return n, window end
  local part = n * share / FULL
  n = math.ceil(part)
  return n, math.ceil(window * n / part)
end

-- earliest is the first moment at which the limits ARGV[from..to] allow another slot. It
-- is never before the latest slot, so that the list stays in order of time even if the
-- clock, a closure or the limits changed: the n-th last entry must be the n-th latest.
local function earliest(key, from, to, share)
  if from > to then return 0, 0 end
  local last = tonumber(redis.call('LINDEX', key, -1)) or 0
  local at = last
  for i = from, to, 2 do
    local n, window = limit(i, share)
    local nth = tonumber(redis.call('LINDEX', key, integer(-n)))
    if nth then at = math.max(at, nth + window) end
  end
  return at, last
end

-- apart is the distance that the next slot of the bridge keeps from the latest one.
local function apart()
  local ms = SPREAD
  for i = bridge_from, #ARGV, 2 do
    ms = math.min(ms, math.floor(tonumber(ARGV[i + 1]) / tonumber(ARGV[i])))
  end
  return ms
end

-- record appends the slot `at`. It keeps as many slots as the limits count, for as long
-- as they count them.
local function record(key, from, to, at, share)
  if from > to then return end
  local keep, longest = 0, 0
  for i = from, to, 2 do
    local _, window = limit(i, share)
    keep = math.max(keep, tonumber(ARGV[i]))
    longest = math.max(longest, window)
  end
  if redis.call('RPUSH', key, integer(at)) > keep then
    redis.call('LTRIM', key, integer(-keep), -1)
  end
  redis.call('PEXPIRE', key, integer(at - now + longest + SLACK))
end

if known[scopes + 4] then
  local slot, given = string.match(known[scopes + 4], '^(%d+) (%d+)$')
  slot, given = tonumber(slot), tonumber(given)
  local lapsed = slot < now - grace
  if given > recalled and not lapsed and slot >= closed then return {1, now, slot, closures, given} end
  redis.call('DEL', token)
  -- A slot that was recalled before its time was not used, so the room gets it back. Any
  -- other slot may have been used: by the send that was refused, or by a worker that did
  -- not hear of the recall.
  if given <= recalled and slot > recalled and not lapsed and redis.call('LINDEX', KEYS[2], -1) == integer(slot) then
    redis.call('RPOP', KEYS[2])
  end
end

-- Nothing is reserved for a room that must wait, since a slot far ahead would delay the
-- bridge's other rooms, nor for a closed scope, since the slot could not be taken back
-- when the closure is lifted. Only the head of a room asks, so its next slot is safe.
local room = math.max(closed, earliest(KEYS[2], room_from, bridge_from - 1, room_share))
if room > now then return {0, now, room, closures, 0} end

local at, last = earliest(KEYS[1], bridge_from, #ARGV, bridge_share)
at = at > now and math.max(at, last + apart()) or now
if patience >= 0 and at - now > patience then return {0, now, at, closures, 0} end

record(KEYS[1], bridge_from, #ARGV, at, bridge_share)
record(KEYS[2], room_from, bridge_from - 1, at, room_share)
if at > now and token then
  redis.call('SET', token, integer(at) .. ' ' .. integer(now), 'PX', integer(at - now + grace + SLACK))
end
return {1, now, at, closures, now}
