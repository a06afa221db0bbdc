-- pressure: what a partition is configured to hold, how much it holds, and its level.
-- @include keys.lua
local LEVELS = { [0] = "normal", "warn", "degraded", "shed" }

-- conf reads what every call needs of the partition's state: the configuration, the
-- level, the last id and, if named, a counter. It is nil if no worker has
-- configured the partition.
local function conf(counter)
  local v = redis.call("HMGET", og .. "state", "partition", "scheme", "capacity", "warn", "max_bytes", "level", "seq",
    counter or "level")
  if not v[1] then return nil end
  return { partition = tonumber(v[1]), scheme = v[2], capacity = tonumber(v[3]), warn = tonumber(v[4]),
    max_bytes = tonumber(v[5]), level = tonumber(v[6] or "0"), seq = tonumber(v[7] or "0"),
    count = tonumber(counter and v[8] or "0") }
end

-- rules reads the rest of the configuration, which calls need under pressure.
local function rules()
  local v = redis.call("HMGET", og .. "state", "degraded", "shed", "hysteresis", "shed_priorities", "throttle_ms")
  return { above = { false, tonumber(v[1]), tonumber(v[2]) }, hysteresis = tonumber(v[3]), shed = v[4], throttle_ms = v[5] }
end

-- depth is how many envelopes the partition holds.
local function depth()
  return redis.call("LLEN", aq .. "pending") + redis.call("LLEN", aq .. "active")
    + redis.call("ZCARD", aq .. "retry") + redis.call("ZCARD", aq .. "scheduled")
end

-- level_for is the pressure level of a depth, given the level before: a level is
-- left only some way below its threshold, so that it does not flap.
local function level_for(c, n, old)
  if n < c.warn and old == 0 then return 0 end
  local r = rules()
  r.above[1] = c.warn
  local up = n >= r.above[3] and 3 or n >= r.above[2] and 2 or n >= r.above[1] and 1 or 0
  while old > up and n <= r.above[old] - r.hysteresis do old = old - 1 end
  return up > old and up or old
end

-- set_level writes a changed level, counts it and publishes it.
local function set_level(c, n, old, new)
  if new == old then return end
  redis.call("HSET", og .. "state", "level", new)
  redis.call("HINCRBY", og .. "state", "level:" .. LEVELS[new], 1)
  redis.call("PUBLISH", og .. "events", string.format(
    '{"event":"pressure","partition":%d,"from":"%s","to":"%s","depth":%d,"capacity":%d}',
    c.partition, LEVELS[old], LEVELS[new], n, c.capacity))
end
