-- take: give runnable heads to a worker. It does for several tasks what asynq's
-- dequeue does for one, and begins the first attempt of those that are fresh, so
-- that the common envelope needs no call of its own for that.
--
-- A worker that got no answer asks again with the same prefix, and is given the
-- same tasks: none is out of everybody's hands until its lease ends.
--
-- KEYS[1]  the partition's hash tag
-- ARGV     how many, unix time at which their lease ends, prefix of the attempts'
--          tokens, "1" to mark fresh ones as in flight, name of the worker, or "" for
--          one that will not ask again
-- Replies  for each task its id, its message, and its token or ""
-- @include keys.lua
if redis.call("EXISTS", aq .. "paused") == 1 then return {} end
local out, leases = {}, {}
local clock = redis.call("TIME")
local at = clock[1] .. string.sub(clock[2] + 1000000, 2, 4) -- in ms
local pending, active, task = aq .. "pending", aq .. "active", aq .. "t:"
local record = ARGV[5] ~= "" and og .. "taken:" .. ARGV[5]
local last = record and redis.call("GET", record)
if last and string.sub(last, 1, #ARGV[3] + 1) == ARGV[3] .. " " then
  for id in string.gmatch(string.sub(last, #ARGV[3] + 2), "%S+") do
    local v = redis.call("HMGET", task .. id, "msg", "state", "og_flight")
    local ours = v[3] and string.sub(v[3], 1, #ARGV[3]) == ARGV[3]
    if v[1] and v[2] == "active" and (ours or not v[3]) then
      redis.call("ZADD", aq .. "lease", ARGV[2], id)
      out[#out + 1] = id
      out[#out + 1] = v[1]
      out[#out + 1] = v[3] or ""
    end
  end
  return out
end
for i = 1, tonumber(ARGV[1]) do
  local id = redis.call("RPOPLPUSH", pending, active)
  if not id then break end
  local t = task .. id
  local v = redis.call("HMGET", t, "msg", "og_head", "og_journal", "og_flight")
  if not v[1] then
    -- An id without a task: somebody pushed it.
    redis.call("LREM", active, 0, id)
    redis.call("DEL", t)
  else
    local token = ""
    if ARGV[4] == "1" and v[2] and not v[3] and not v[4] then
      token = ARGV[3] .. i
      redis.call("HSET", t, "state", "active", "og_flight", token, "og_try", 1, "og_at", at)
    else
      redis.call("HSET", t, "state", "active")
    end
    leases[#leases + 1] = ARGV[2]
    leases[#leases + 1] = id
    out[#out + 1] = id
    out[#out + 1] = v[1]
    out[#out + 1] = token
  end
end
if #leases > 0 then
  redis.call("ZADD", aq .. "lease", unpack(leases))
  if record then
    local ids = {}
    for i = 1, #out, 3 do ids[#ids + 1] = out[i] end
    redis.call("SET", record, ARGV[3] .. " " .. table.concat(ids, " "), "EX", 60)
  end
end
return out
