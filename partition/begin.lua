-- begin: may this task be delivered now, and what happened to it before?
--
-- KEYS[1]  the partition's hash tag
-- ARGV     id, line, what becomes of the mark of this attempt, its token:
--          "claim"         nothing
--          "mark"          it is written: the attempt is in flight
--          "unmark"        it is taken back: nothing was sent
-- Replies  {"gone"}           the task is settled or was deleted
--          {"parked"}         it is not the head of its line: it waits again
--          {"wait", ms}       it was suspended until later
--          {"go", try}        for a first try; for others also
--          {…, crashes, ambiguous, progress, 1 if a mark was found, ms since the
--          first attempt}
--
-- The mark is the last thing written before a send. A mark that is found here is
-- of an attempt that never reported: it may have been delivered.
-- @include queue.lua
-- @include attempts.lua
local id, line, what, token = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local t = aq .. "t:" .. id
local v = redis.call("HMGET", t, "state", "og_flight", "og_try", "og_journal", "og_settled")
local state, flight, try = v[1], v[2], tonumber(v[3] or "0")
if state == "archived" then return { "gone" } end
if not state or v[5] then
  -- Settled, and given out again all the same: by hand, or by a lost word of asynq's.
  leave(id, "active")
  redis.call("DEL", t)
  return { "gone" }
end

local head = redis.call("HGET", og .. "heads", line)
if not head then
  -- Its line was lost: it is a line of its own again.
  redis.call("HSET", og .. "heads", line, id)
  redis.call("LREM", og .. "line:" .. line, 1, id)
elseif head ~= id then
  -- The head alone is runnable. Whoever is not the head was let in by hand
  -- (asynqmon's "run"), so it goes back to waiting.
  if not redis.call("LPOS", og .. "line:" .. line, id) then
    redis.call("RPUSH", og .. "line:" .. line, id)
  end
  leave(id, state)
  redis.call("HSET", t, "state", "scheduled")
  redis.call("ZADD", aq .. "scheduled", NEVER, id)
  return { "parked" }
end

local fresh = not flight and not v[4]
local w = fresh and {} or redis.call("HMGET", t, "og_until", "og_crashes", "og_ambiguous", "og_progress", "og_at")
local now = math.floor(now_us() / 1000)
if w[1] then
  local ms = tonumber(w[1]) - now
  if ms > 0 then return { "wait", ms } end
end
local crashes, ambiguous, found = tonumber(w[2] or "0"), w[3] or "0", 0
if flight and flight ~= token then
  crashes, ambiguous, found = crashes + 1, "1", 1
  note(t, now, try, "cut_off")
  redis.call("HSET", t, "og_journal", "1", "og_crashes", crashes, "og_ambiguous", "1")
  redis.call("HDEL", t, "og_flight")
end
if what == "mark" and flight ~= token then
  try = try + 1
  redis.call("HSET", t, "og_flight", token, "og_try", try)
  if try == 1 then redis.call("HSETNX", t, "og_at", int(now)) end
elseif what == "unmark" and flight == token then
  -- Taken as in flight, but it has to wait: the attempt is not made yet.
  try = try - 1
  redis.call("HSET", t, "og_try", try)
  redis.call("HDEL", t, "og_flight")
end
if fresh then return { "go", try } end
return { "go", try, crashes, tonumber(ambiguous), w[4] or "", found, now - tonumber(w[5] or now) }
