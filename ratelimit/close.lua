-- Closes, opens or reads one scope: a bridge, or one room of it. If a provider refused a
-- send, it also cuts the share of the limits that allowed the send.
--
-- KEYS[1] closed-until of the scope
-- KEYS[2] the latest closed-until of any scope of the bridge
-- KEYS[3] the share to cut; absent if there is none
-- KEYS[4] slots of the bridge, to recall; absent if only a room is slowed
--
-- ARGV[1] for how long to close the scope; 0 only reads, -1 opens
-- ARGV[2] the channel on which closures are announced
-- ARGV[3] the bridge
-- ARGV[4] when the slot of the refused send was given
--
-- Reply: {remaining, closures, share}. `remaining` is how much longer the scope is closed,
-- `closures` the same for any scope of the bridge, 0 for open; `share` is the share after
-- the cut, 0 for no cut. A closure is announced as "<closures> <bridge>".
--
-- All times are integer milliseconds of this server's clock.
-- @include share.lua

-- A refusal leaves nine tenths of the share. A refusal that follows within SOON of the
-- end of the closure leaves seven tenths.
local KEEP, KEEP_SOON, SOON = 900, 700, 10000

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local duration = tonumber(ARGV[1])

local known = redis.call('MGET', KEYS[1], KEYS[2])
local closed, closures = tonumber(known[1]) or 0, tonumber(known[2]) or 0

-- recall counts the bridge's slots in the future as used now, and returns the last of
-- them. The workers that hold them ask again before they send, and get other slots
-- under the smaller share.
local function recall(key)
  local slots = redis.call('LRANGE', key, 0, -1)
  local last = tonumber(slots[#slots]) or 0
  local first = #slots + 1
  while first > 1 and tonumber(slots[first - 1]) > now do first = first - 1 end
  for i = first, #slots do redis.call('LSET', key, i - 1, integer(now)) end
  return last
end

-- cut makes the share smaller. If the slot of the refused send was given before the last
-- cut, its refusal says nothing about the present share.
local function cut(key, given)
  local share, since, from = share_of(redis.call('GET', key), now)
  if given <= since then return 0 end
  local keep = KEEP
  if since > 0 and now - from < SOON then keep = KEEP_SOON end
  share = math.max(math.floor(share * keep / FULL), LEAST)
  from = math.max(now, closed)
  -- The share is kept until it has grown back, and as long as an older slot may be held.
  local ttl = math.max(from - now + (FULL - share) * GROW, redis.call('PTTL', key))
  if KEYS[4] then ttl = math.max(ttl, recall(KEYS[4]) - now) end
  redis.call('SET', key, table.concat({integer(share), integer(now), integer(from)}, ' '),
    'PX', integer(ttl + 2 * SLACK))
  return share
end

local function close(key, at)
  redis.call('SET', key, integer(at), 'PX', integer(at - now + SLACK))
end

local share = 0
if duration < 0 then
  -- KEYS[2] stays: another scope of the bridge may still be closed.
  redis.call('DEL', KEYS[1])
  closed = 0
elseif duration > 0 then
  if now + duration > closed then
    closed = now + duration
    close(KEYS[1], closed)
    if closed > closures then
      closures = closed
      close(KEYS[2], closures)
    end
    redis.call('PUBLISH', ARGV[2], integer(closures - now) .. ' ' .. ARGV[3])
  end
  if KEYS[3] then share = cut(KEYS[3], tonumber(ARGV[4])) end
end

return {math.max(closed - now, 0), math.max(closures - now, 0), share}
