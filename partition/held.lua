-- held: what an operator does about dead letters: a held head goes on, or is
-- dropped, and the record of any other is purged.
--
-- KEYS[1]  the partition's hash tag
-- ARGV     1 "release", "drop" or "purge"  2 id
--          for "release": 3 "1" if an attempt of it may have been accepted
--          for "drop": 3 line  4 outcome (JSON)  5 its ttl in ms, "0" keeps none
--          6 fingerprint of its idempotency key  7 idempotency window in ms
--          8 the dead letter as it is from now on (JSON)
-- Replies  1 done, 0 where it is not held (release, drop) or not there (purge),
--          -1 where it is held (purge)
-- @include clock.lua
-- @include promote.lua
-- @include relax.lua
local op, id = ARGV[1], ARGV[2]
local t, dead = aq .. "t:" .. id, og .. "dead:" .. id
local v = redis.call("HMGET", t, "state", "og_held", "unique_key")
local archived = v[1] == "archived"
local held, unique = archived and v[2], v[3]
local ns = int(now_us()) .. "000"

if op == "purge" then
  if held then return -1 end
  if archived then
    redis.call("ZREM", aq .. "archived", id)
    redis.call("DEL", t)
  end
  redis.call("DEL", og .. "steps:" .. id)
  local listed = redis.call("ZREM", og .. "dead", id)
  return math.max(listed, redis.call("DEL", dead))
end

if not held then return 0 end
if op == "release" then
  -- Its attempts begin anew; what was delivered of it, and whether it may have been
  -- accepted, stays known.
  redis.call("ZREM", aq .. "archived", id)
  redis.call("HDEL", t, "og_held", "og_try", "og_crashes", "og_until", "og_flight")
  if ARGV[3] == "1" then redis.call("HSET", t, "og_journal", "1", "og_ambiguous", "1") end
  redis.call("ZREM", og .. "dead", id)
  redis.call("DEL", dead)
  run(id, ns, redis.call("HGET", t, "og_critical"))
else
  redis.call("HDEL", t, "og_held")
  redis.call("HSET", t, "og_settled", "1")
  if unique and redis.call("GET", unique) == id then
    redis.call("DEL", unique)
    local hash = string.match(unique, ":(%x+)$")
    if hash then redis.call("SET", og .. "key:" .. hash, id .. " " .. ARGV[6], "PX", ARGV[7]) end
  end
  if ARGV[5] ~= "0" then redis.call("SET", og .. "outcome:" .. id, ARGV[4], "PX", ARGV[5]) end
  redis.call("PUBLISH", og .. "outcomes", ARGV[4])
  local waiting = redis.call("HGET", t, "og_reply")
  if waiting then reply_all(waiting, ARGV[4], ARGV[5]) end
  if redis.call("EXISTS", dead) == 1 then redis.call("HSET", dead, "record", ARGV[8]) end
  promote(ARGV[3], id, ns)
end
relax()
redis.call("PUBLISH", og .. "wake", "")
return 1
