-- take: give runnable heads to a worker. It does for several tasks what asynq's
-- dequeue does for one, and begins the first attempt of those that are fresh, so
-- that the common envelope needs no call of its own for that.
--
-- KEYS[1]  the partition's hash tag
-- ARGV     how many, unix time at which their lease ends, prefix of the attempts'
--          tokens, "1" to mark fresh ones as in flight
-- Replies  for each task its id, its message, and its token or ""
if redis.call("EXISTS", aq .. "paused") == 1 then return {} end
local out, leases = {}, {}
local pending, active, task = aq .. "pending", aq .. "active", aq .. "t:"
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
      redis.call("HSET", t, "state", "active", "og_flight", token, "og_try", 1)
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
if #leases > 0 then redis.call("ZADD", aq .. "lease", unpack(leases)) end
return out
