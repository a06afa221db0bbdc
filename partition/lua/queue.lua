-- queue: asynq's sets of a partition.
-- @include keys.lua

-- run makes a task pending: at the tail, so that rooms take turns; a critical
-- one, or one that was already being delivered (front), at the front. ns is the
-- time in unix nanoseconds, as asynq writes it. og_head says that our scripts made
-- it runnable: what somebody runs by hand has to ask begin.
local function run(id, ns, front)
  redis.call("HSET", aq .. "t:" .. id, "state", "pending", "pending_since", ns, "og_head", "1")
  redis.call(front and "RPUSH" or "LPUSH", aq .. "pending", id)
end

-- leave takes a task out of whichever of the sets its state names.
local function leave(id, state)
  if state == "active" then
    redis.call("LREM", aq .. "active", 0, id)
    redis.call("ZREM", aq .. "lease", id)
  elseif state == "pending" then
    redis.call("LREM", aq .. "pending", 0, id)
  elseif state then
    redis.call("ZREM", aq .. state, id)
  end
end
