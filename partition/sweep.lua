-- sweep: mend what crashes left and outsiders broke. Every call does what costs next
-- to nothing, however much waits here; one that walks also looks at a window of all
-- there is, further on each time. A call that finds something amiss walks unasked.
--
-- KEYS[1]  the partition's hash tag
-- ARGV     1 owner  2 its lease in ms  3 dead letter ttl in ms  4 "1" to walk
--          5 balance at the last call  6 cursor of the heads  7 offset in the sets
--          8 offset among the parked
-- Replies  {} where another owner sweeps this partition, or
--          {recovered, ghosts, heads mended, lines mended, balance, 1 if it walked,
--          how much there is to walk over, next cursor, next offset, next offset
--          among the parked}
-- @include clock.lua
-- @include promote.lua
-- @include relax.lua
-- @include protobuf_read.lua
-- @include line.lua
local STEP = 100
local owner, lease, dead_ttl, walks = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == "1"
local before, cursor, offset, parked = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8])
local holder = redis.call("GET", og .. "sweeper")
if holder and holder ~= owner then return {} end
redis.call("SET", og .. "sweeper", owner, "PX", lease)
local us = now_us()
local seconds, ns = math.floor(us / 1000000), int(us) .. "000"
local recovered, ghosts, heads, lines = 0, 0, 0, 0

-- ghost drops an id that has no task: asynq and asynqmon choke on it.
local function ghost(id, set)
  local t = aq .. "t:" .. id
  if redis.call("HEXISTS", t, "msg") == 1 then return false end
  leave(id, set)
  redis.call("DEL", t)
  ghosts = ghosts + 1
  return true
end

-- Workers that died: their leases ran out. The five seconds are for clocks that
-- differ. The task goes to the front: its room has waited long enough.
for _, id in ipairs(redis.call("ZRANGEBYSCORE", aq .. "lease", "-inf", seconds - 5, "LIMIT", 0, STEP)) do
  if not ghost(id, "active") then
    local t = aq .. "t:" .. id
    leave(id, "active")
    if redis.call("HGET", t, "state") == "active" then
      -- begin.lua counts the crash of an attempt in flight; this counts the others.
      if redis.call("HEXISTS", t, "og_flight") == 0 then
        redis.call("HSET", t, "og_journal", "1")
        redis.call("HINCRBY", t, "og_crashes", 1)
      end
      run(id, ns, true)
      recovered = recovered + 1
    end
  end
end

-- Active without a lease is never recovered by asynq: it gets one.
for _, id in ipairs(redis.call("LRANGE", aq .. "active", 0, STEP * 10)) do
  if not ghost(id, "active") and not redis.call("ZSCORE", aq .. "lease", id) then
    redis.call("ZADD", aq .. "lease", seconds, id)
  end
end

-- asynq, and so asynqmon, samples the first of each set, and fails on a ghost there.
local SAMPLED = 20
local SETS = { "retry", "archived", "completed", "scheduled" }
local function sample(set, ids)
  local keys = {}
  for i, id in ipairs(ids) do keys[i] = aq .. "t:" .. id end
  if #ids == 0 or redis.call("EXISTS", unpack(keys)) == #ids then return end
  for _, id in ipairs(ids) do ghost(id, set) end
end
sample("pending", redis.call("LRANGE", aq .. "pending", 0, SAMPLED - 1))
for _, set in ipairs(SETS) do sample(set, redis.call("ZRANGE", aq .. set, 0, SAMPLED - 1)) end

-- A window of every set.
local function walk_sets()
  local last, longest = offset + STEP - 1, redis.call("LLEN", aq .. "pending")
  for _, id in ipairs(redis.call("LRANGE", aq .. "pending", offset, last)) do ghost(id, "pending") end
  for _, set in ipairs(SETS) do
    for _, id in ipairs(redis.call("ZRANGE", aq .. set, offset, last)) do ghost(id, set) end
    longest = math.max(longest, redis.call("ZCARD", aq .. set))
  end
  offset = last + 1 < longest and last + 1 or 0
end

-- Heads whose task was deleted, archived or parked by hand.
local function walk_heads()
  local page = redis.call("HSCAN", og .. "heads", cursor, "COUNT", STEP)
  for i = 1, #page[2], 2 do
    local line, id = page[2][i], page[2][i + 1]
    local v = redis.call("HMGET", aq .. "t:" .. id, "state", "og_held")
    if v[1] == "scheduled" then
      redis.call("ZREM", aq .. "scheduled", id)
      run(id, ns)
      heads = heads + 1
    elseif not v[1] or v[1] == "completed" or (v[1] == "archived" and not v[2]) then
      removed(id, line)
      promote(line, id, ns)
      heads = heads + 1
    end
  end
  cursor = page[1]
end

-- line_in reads the line out of a task's message: its payload is the caller's JSON. It
-- is nil of a task that is no envelope, and fails on JSON that is none.
local function line_in(id, hash_key)
  local msg = redis.call("HGET", aq .. "t:" .. id, "msg")
  if not msg or string.sub(string_field(msg, 1) or "", 1, 8) ~= "outgate:" then return nil end
  local e = cjson.decode(string_field(msg, 2))
  return line_of(e.bridge_id, e.external_room_id, type(e.opts) == "table" and e.opts.thread_id, hash_key)
end

-- Tasks whose line was lost. A few at a time: finding an id in a long line costs.
local FEW = 20
local function walk_parked()
  local hash_key = redis.call("HGET", og .. "state", "hash_key")
  for _, id in ipairs(redis.call("ZRANGE", aq .. "scheduled", parked, parked + FEW - 1)) do
    local ok, line = pcall(line_in, id, hash_key)
    if ok and line then
      local head = redis.call("HGET", og .. "heads", line)
      if not head then
        redis.call("HSET", og .. "heads", line, id)
        redis.call("LREM", og .. "line:" .. line, 1, id)
        redis.call("ZREM", aq .. "scheduled", id)
        run(id, ns)
        lines = lines + 1
      elseif head ~= id and not redis.call("LPOS", og .. "line:" .. line, id) then
        redis.call("RPUSH", og .. "line:" .. line, id)
        lines = lines + 1
      end
    end
  end
  parked = parked + FEW < redis.call("ZCARD", aq .. "scheduled") and parked + FEW or 0
end

-- The gateway itself moves a head from one of these sets to another, or in and out
-- together with its entry among the heads: but for the heads that are held, they are
-- as many. Where the difference changes, somebody took or added something.
local function weigh()
  return redis.call("HLEN", og .. "heads")
    - redis.call("LLEN", aq .. "pending") - redis.call("LLEN", aq .. "active") - redis.call("ZCARD", aq .. "retry")
end

local balance = weigh()
if walks or ghosts > 0 or balance ~= before then
  walks = true
  walk_sets()
  walk_heads()
  walk_parked()
  balance = weigh()
end

if dead_ttl > 0 then
  redis.call("ZREMRANGEBYSCORE", og .. "dead", "-inf", int(math.floor(us / 1000) - dead_ttl))
end
relax()
if recovered + heads + lines > 0 then redis.call("PUBLISH", og .. "wake", "") end
local there = redis.call("HLEN", og .. "heads")
for _, set in ipairs(SETS) do there = there + redis.call("ZCARD", aq .. set) end
return { recovered, ghosts, heads, lines, balance, walks and 1 or 0, there, cursor, offset, parked }
