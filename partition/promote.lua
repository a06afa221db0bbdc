-- run makes a task pending: at the tail, so that rooms take turns; a critical
-- one, or one that was already being delivered (front), at the front.
local function run(id, front)
  local t = aq .. "t:" .. id
  redis.call("HSET", t, "state", "pending", "pending_since", int(now_us()) .. "000")
  if front or redis.call("HGET", t, "og_critical") then
    redis.call("RPUSH", aq .. "pending", id)
  else
    redis.call("LPUSH", aq .. "pending", id)
  end
end

-- leave takes a task out of whichever of asynq's sets its state names.
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

-- removed writes the outcome of an envelope whose task somebody deleted or
-- archived by hand: accepted envelopes end in an outcome.
local function removed(id, line)
  local outcome = string.format('{"status":"error","type":"outbound_error","id":"%s","category":"terminal",'
    .. '"disposition":"terminal","operation":"","reason":"removed","provider":{},"attempt":0,"max_attempts":0,'
    .. '"partition":%d,"routing_key":%s,"retryable":false,"ambiguous":false}',
    id, tonumber(string.sub(id, 1, 3)), cjson.encode(line))
  if redis.call("SET", og .. "outcome:" .. id, outcome, "NX", "PX", 86400000) then
    redis.call("PUBLISH", og .. "outcomes", outcome)
    redis.call("HINCRBY", og .. "counts", "removed", 1)
  end
end

-- promote pops the head of a line and makes the next one runnable. It returns 1
-- if there is a new runnable head.
local function promote(line, id)
  if redis.call("HGET", og .. "heads", line) ~= id then
    redis.call("LREM", og .. "line:" .. line, 1, id)
    return 0
  end
  while true do
    local next = redis.call("LPOP", og .. "line:" .. line)
    if not next then
      redis.call("HDEL", og .. "heads", line)
      return 0
    end
    local state = redis.call("HGET", aq .. "t:" .. next, "state")
    if state == "scheduled" then
      redis.call("HSET", og .. "heads", line, next)
      redis.call("ZREM", aq .. "scheduled", next)
      run(next)
      return 1
    elseif state == "pending" or state == "active" or state == "retry" then
      redis.call("HSET", og .. "heads", line, next)
      return 0
    end
    removed(next, line)
  end
end
