-- promote: the next of a line becomes its head.
-- @include queue.lua
-- @include reply.lua
-- @include failure.lua

-- REMOVED_TTL is how long the outcome of a removed envelope and its idempotency key
-- are kept, in ms: a script knows no configuration of results.
local REMOVED_TTL = 86400000

-- removed writes the outcome of an envelope whose task somebody deleted or
-- archived by hand: accepted envelopes end in an outcome, and settled ones are not
-- sent, even if they are run by hand later. Its idempotency key stays used.
local function removed(id, line)
  local t = aq .. "t:" .. id
  local v = redis.call("HMGET", t, "state", "og_ambiguous", "og_flight", "unique_key", "msg", "og_reply")
  if v[1] then
    redis.call("HSET", t, "og_settled", "1")
    redis.call("HDEL", t, "og_head")
  end
  -- The fingerprint is a header of the message, of 40 bytes (message.lua).
  local hash, print = string.match(v[4] or "", ":(%x+)$"), string.match(v[5] or "", "outgate%-fingerprint\18%((%x+)")
  if hash and print and redis.call("GET", v[4]) == id then
    redis.call("DEL", v[4])
    redis.call("SET", og .. "key:" .. hash, id .. " " .. print, "PX", REMOVED_TTL)
  end
  local outcome = failure({ id = id, reason = "removed", routing_key = line, ambiguous = v[2] or v[3],
    partition = tonumber(string.match(tag, "(%d+)}$")) })
  if redis.call("SET", og .. "outcome:" .. id, outcome, "NX", "PX", REMOVED_TTL) then
    redis.call("PUBLISH", og .. "outcomes", outcome)
    if v[6] then reply_all(v[6], outcome, REMOVED_TTL) end
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
