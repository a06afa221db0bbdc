-- Closes, opens or reads one scope: a bridge, or one room of it.
--
-- KEYS[1] closed-until of the scope
-- KEYS[2] the latest closed-until of any scope of the bridge
--
-- ARGV[1] for how long to close it; 0 only reads, -1 opens
-- ARGV[2] channel on which closures are announced
-- ARGV[3] the bridge
--
-- Reply: {remaining, closures}, how much longer the scope and any scope of the
-- bridge are closed, 0 for open. A closure is announced as "<closures> <bridge>".
--
-- All times are integer milliseconds of this server's clock. SLACK: see
-- reserve.lua.

local SLACK = 1000

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local duration = tonumber(ARGV[1])

local known = redis.call('MGET', KEYS[1], KEYS[2])
local closed, closures = tonumber(known[1]) or 0, tonumber(known[2]) or 0

local function integer(n) return string.format('%d', n) end

local function close(key, at)
  redis.call('SET', key, integer(at), 'PX', integer(at - now + SLACK))
end

if duration < 0 then
  -- KEYS[2] stays: another scope of the bridge may still be closed.
  redis.call('DEL', KEYS[1])
  closed = 0
elseif duration > 0 and now + duration > closed then
  closed = now + duration
  close(KEYS[1], closed)
  if closed > closures then
    closures = closed
    close(KEYS[2], closures)
  end
  redis.call('PUBLISH', ARGV[2], integer(closures - now) .. ' ' .. ARGV[3])
end

return {math.max(closed - now, 0), math.max(closures - now, 0)}
