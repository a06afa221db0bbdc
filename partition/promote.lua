-- run makes a task pending: at the tail, so that rooms take turns; a critical
-- one, or one that was already being delivered (front), at the front. ns is the
-- time in unix nanoseconds, as asynq writes it. og_head says that our scripts made
-- it runnable: what somebody runs by hand has to ask begin.
local function run(id, ns, front)
  redis.call("HSET", aq .. "t:" .. id, "state", "pending", "pending_since", ns, "og_head", "1")
  redis.call(front and "RPUSH" or "LPUSH", aq .. "pending", id)
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
-- archived by hand: accepted envelopes end in an outcome, and settled ones are not
-- sent, even if they are run by hand later. Its idempotency key stays used.
local function removed(id, line)
  local t, kept = aq .. "t:" .. id, 86400000
  local v = redis.call("HMGET", t, "state", "og_ambiguous", "og_flight", "unique_key", "msg", "og_reply")
  if v[1] then
    redis.call("HSET", t, "og_settled", "1")
    redis.call("HDEL", t, "og_head")
  end
  local hash, print = string.match(v[4] or "", ":(%x+)$"), string.match(v[5] or "", "outgate%-fingerprint\18%((%x+)")
  if hash and print and redis.call("GET", v[4]) == id then
    redis.call("DEL", v[4])
    redis.call("SET", og .. "key:" .. hash, id .. " " .. print, "PX", kept)
  end
  local outcome = string.format('{"status":"error","type":"outbound_error","id":%s,"category":"terminal",'
    .. '"disposition":"terminal","operation":"","reason":"removed","provider":{},"attempt":0,"max_attempts":0,'
    .. '"partition":%d,"routing_key":%s,"retryable":false,"ambiguous":%s}',
    cjson.encode(id), tonumber(string.match(tag, "(%d+)}$")), cjson.encode(line), (v[2] or v[3]) and "true" or "false")
  if redis.call("SET", og .. "outcome:" .. id, outcome, "NX", "PX", kept) then
    redis.call("PUBLISH", og .. "outcomes", outcome)
    if v[6] then reply_all(v[6], outcome, kept) end
    redis.call("HINCRBY", og .. "state", "removed", 1)
  end
end

-- promote pops the head of a line and makes the next one runnable. It answers
-- whether there is a new runnable head.
local function promote(line, id, ns)
  local heads, rest = og .. "heads", og .. "line:" .. line
  if redis.call("HGET", heads, line) ~= id then
    redis.call("LREM", rest, 1, id)
    return false
  end
  while true do
    local next = redis.call("LPOP", rest)
    if not next then
      redis.call("HDEL", heads, line)
      return false
    end
    local v = redis.call("HMGET", aq .. "t:" .. next, "state", "og_critical")
    local state = v[1]
    if state == "scheduled" then
      redis.call("HSET", heads, line, next)
      redis.call("ZREM", aq .. "scheduled", next)
      run(next, ns, v[2])
      return true
    elseif state == "pending" or state == "active" or state == "retry" then
      redis.call("HSET", heads, line, next)
      return false
    end
    removed(next, line)
  end
end

-- relax lets the pressure level follow a depth that may have fallen.
local function relax()
  local c = conf()
  if not c then return end
  local n = depth()
  set_level(c, n, c.level, level_for(c, n, c.level))
end
