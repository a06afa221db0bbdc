-- Closes, opens or reads one scope: a bridge, or one room of it. Where a provider
-- refused a send, it also takes a part of the limits away that let the send through.
--
-- KEYS[1] closed-until of the scope
-- KEYS[2] the latest closed-until of any scope of the bridge
-- KEYS[3] the share to cut; absent where none is
-- KEYS[4] slots of the bridge, to be recalled; absent where only a room is slowed
--
-- ARGV[1] for how long to close it; 0 only reads, -1 opens
-- ARGV[2] channel on which closures are announced
-- ARGV[3] the bridge
-- ARGV[4] when the slot of the refused send was given
--
-- Reply: {remaining, closures, share}, how much longer the scope and any scope of the
-- bridge are closed, 0 for open, and what the share was cut to, 0 where it was not. A
-- closure is announced as "<closures> <bridge>".
--
-- All times are integer milliseconds of this server's clock.
-- @include share.lua

-- A refusal leaves nine parts of ten, and one that follows soon, while the rate is
-- still looked for, seven. SOON is counted from the end of the closure.
local KEEP, KEEP_SOON, SOON = 900, 700, 10000

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local duration = tonumber(ARGV[1])

local known = redis.call('MGET', KEYS[1], KEYS[2])
local closed, closures = tonumber(known[1]) or 0, tonumber(known[2]) or 0

-- recall makes the slots that are ahead used as of now. Those that hold them ask
-- again before they use them, and get others, under the smaller share. It answers the
-- last of them.
local function recall(key)
  local slots = redis.call('LRANGE', key, 0, -1)
  local last = tonumber(slots[#slots]) or 0
  local first = #slots + 1
  while first > 1 and tonumber(slots[first - 1]) > now do first = first - 1 end
  for i = first, #slots do redis.call('LSET', key, i - 1, integer(now)) end
  return last
end

-- cut makes the share smaller. A send whose slot was given under a larger share than
-- the present one says nothing of this one.
local function cut(key, given)
  local share, since, from = share_of(redis.call('GET', key), now)
  if given <= since then return 0 end
  local keep = KEEP
  if since > 0 and now - from < SOON then keep = KEEP_SOON end
  share = math.max(math.floor(share * keep / FULL), LEAST)
  from = math.max(now, closed)
  -- Kept until it has grown back, and for as long as a slot given before may be held.
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
