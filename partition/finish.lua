-- finish: settle an envelope. In one step its outcome is written, its task leaves
-- asynq, and the next of its room becomes runnable; so there is no instant at
-- which a crash could lose, repeat or block anything. It is idempotent.
--
-- KEYS[1]  the partition's hash tag
-- ARGV     1 id  2 line  3 token  4 outcome (JSON)  5 outcome ttl in ms (0 keeps none)
--          6 key hash ("" for none)  7 fingerprint  8 idempotency window in ms
--          9 kind: "done", "dead" or "hold"  10 dead letter (JSON)  11 its ttl in ms
--          12 error text for asynq's archive  13 date, yyyy-mm-dd  14 unix time at which its counters end
-- Replies  {"settled", 1 if another head became runnable, level} or {"gone"} or {"fenced"}
local id, line, kind = ARGV[1], ARGV[2], ARGV[9]
local t = aq .. "t:" .. id
local v = redis.call("HMGET", t, "state", "og_flight", "unique_key")
local state, flight, unique = v[1], v[2], v[3]
if not state or state == "archived" then return { "gone" } end
if flight and flight ~= ARGV[3] then return { "fenced" } end

leave(id, state)
local day = aq .. "processed:" .. ARGV[13]
if redis.call("INCR", day) == 1 then redis.call("EXPIREAT", day, ARGV[14]) end
redis.call("INCR", aq .. "processed")
if kind == "done" then
  redis.call("DEL", t)
else
  day = aq .. "failed:" .. ARGV[13]
  if redis.call("INCR", day) == 1 then redis.call("EXPIREAT", day, ARGV[14]) end
  redis.call("INCR", aq .. "failed")
  local ms = math.floor(now_us() / 1000)
  archive(id, ARGV[12], math.floor(ms / 1000))
  redis.call("HDEL", t, "og_flight", "og_until")
  local dead = og .. "dead:" .. id
  redis.call("HSET", dead, "record", ARGV[10])
  redis.call("PEXPIRE", dead, ARGV[11])
  redis.call("ZADD", og .. "dead", int(ms), id)
  if kind == "hold" then
    redis.call("HSET", t, "og_held", "1")
    return { "settled", 0, level_now() }
  end
end

if unique and redis.call("GET", unique) == id then redis.call("DEL", unique) end
if ARGV[6] ~= "" then
  redis.call("SET", og .. "key:" .. ARGV[6], id .. " " .. ARGV[7], "PX", ARGV[8])
end
if ARGV[5] ~= "0" then redis.call("SET", og .. "outcome:" .. id, ARGV[4], "PX", ARGV[5]) end
redis.call("PUBLISH", og .. "outcomes", ARGV[4])
local promoted = promote(line, id)

local level = level_now()
local c = level > 0 and conf()
if c then
  local n, old = depth(), level
  level = level_for(c, n, old)
  set_level(c, n, old, level)
end
return { "settled", promoted, level }
