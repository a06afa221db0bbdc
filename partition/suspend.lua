-- suspend: an attempt reported, and the envelope is not settled: a piece of it
-- was delivered, or it will be tried again.
--
-- KEYS[1]  the partition's hash tag
-- ARGV     id, token, wait in ms from now (0 for none), progress (JSON, "" keeps
--          it), "1" if the attempt may have been accepted, "1" to give the
--          attempt back (waiting spends none), what became of it, "" for nothing
--          worth a word
-- Replies  1, or 0 where another attempt has taken over
-- @include keys.lua
-- @include attempts.lua
local id, token, wait, progress, ambiguous, refund = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6]
local what = ARGV[7]
local t = aq .. "t:" .. id
local v = redis.call("HMGET", t, "og_flight", "og_reported", "og_try")
if v[2] == token then return 1 end
if v[1] ~= token then return 0 end
redis.call("HDEL", t, "og_flight", "og_until")
redis.call("HSET", t, "og_journal", "1", "og_reported", token)
if wait > 0 or what ~= "" then -- but not after a piece that was delivered
  local now = math.floor(now_us() / 1000)
  if wait > 0 then redis.call("HSET", t, "og_until", int(now + wait)) end
  if what ~= "" then note(t, now, v[3], what) end
end
if progress ~= "" then redis.call("HSET", t, "og_progress", progress) end
if ambiguous == "1" then redis.call("HSET", t, "og_ambiguous", "1") end
if refund == "1" then redis.call("HSET", t, "og_try", tonumber(v[3]) - 1) end
return 1
