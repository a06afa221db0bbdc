-- finish: settle an envelope. In one step its outcome is written, its task leaves
-- asynq, and the next of its room becomes runnable; so there is no instant at
-- which a crash could lose, repeat or block anything. It is idempotent.
--
-- KEYS[1]  the partition's hash tag
-- ARGV     1 id  2 line  3 token  4 kind: "done", "dead" or "hold"
--          5 outcome (JSON)  6 its ttl in ms, "0" keeps none  7 now in unix ns
--          8 key hash, "" for none  9 fingerprint  10 idempotency window in ms
--          and but for "done": 11 dead letter (JSON)  12 its ttl in ms
--          13 error text for asynq's archive
-- Replies  2 settled, and another head is runnable  1 settled
--          0 it was settled before  -1 another attempt has taken over
-- @include promote.lua
-- @include archive.lua
-- @include relax.lua
local id, line, kind, ns = ARGV[1], ARGV[2], ARGV[4], ARGV[7]
local t = aq .. "t:" .. id
local v = redis.call("HMGET", t, "state", "og_flight", "unique_key", "og_settled", "og_reply", "og_steps")
local state, flight, unique = v[1], v[2], v[3]
if not state or v[4] or state == "archived" then return 0 end
if flight and flight ~= ARGV[3] then return -1 end

leave(id, state)
if v[6] then -- its steps outlive its task
  local ttl = kind == "done" and ARGV[6] or ARGV[12]
  if ttl ~= "0" then redis.call("SET", og .. "steps:" .. id, v[6], "PX", ttl) end
end
if kind == "done" then
  redis.call("DEL", t)
else
  local ms = string.sub(ns, 1, -7)
  archive(id, ARGV[13], tonumber(string.sub(ns, 1, -10)))
  redis.call("HDEL", t, "og_flight", "og_until", "og_head", "og_held")
  redis.call("HSET", og .. "dead:" .. id, "record", ARGV[11])
  redis.call("PEXPIRE", og .. "dead:" .. id, ARGV[12])
  redis.call("ZADD", og .. "dead", ms, id)
  if kind == "hold" then
    redis.call("HSET", t, "og_held", "1")
    return 1
  end
  redis.call("HSET", t, "og_settled", "1")
end

if unique and redis.call("GET", unique) == id then redis.call("DEL", unique) end
if ARGV[8] ~= "" then
  redis.call("SET", og .. "key:" .. ARGV[8], id .. " " .. ARGV[9], "PX", ARGV[10])
end
if ARGV[6] ~= "0" then redis.call("SET", og .. "outcome:" .. id, ARGV[5], "PX", ARGV[6]) end
redis.call("PUBLISH", og .. "outcomes", ARGV[5])
if v[5] then reply_all(v[5], ARGV[5], ARGV[6]) end
local promoted = promote(line, id, ns)

local level = redis.call("HGET", og .. "state", "level")
if level and level ~= "0" then relax() end
return promoted and 2 or 1
