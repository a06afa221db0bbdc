-- What all scripts of a partition share. KEYS[1] is the partition's hash tag,
-- {outbound-007}; every other key of a call derives from it.
local tag = KEYS[1]
local og, aq = "outgate:" .. tag .. ":", "asynq:" .. tag .. ":"
local LEVELS = { [0] = "normal", "warn", "degraded", "shed" }
-- A parked task is never due: asynq shows it as scheduled for the year 9999.
local NEVER = "253402300799"

-- conf reads the partition's state: what every call needs of the configuration,
-- the level, the last id and, if named, a counter. It is nil where no worker has
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

-- set_level writes a changed level and tells of it, once.
local function set_level(c, n, old, new)
  if new == old then return end
  redis.call("HSET", og .. "state", "level", new)
  redis.call("HINCRBY", og .. "state", "level:" .. LEVELS[new], 1)
  redis.call("PUBLISH", og .. "events", string.format(
    '{"event":"pressure","partition":%d,"from":"%s","to":"%s","depth":%d,"capacity":%d}',
    c.partition, LEVELS[old], LEVELS[new], n, c.capacity))
end

-- now_us is Redis' clock in microseconds.
local function now_us()
  local t = redis.call("TIME")
  return t[1] * 1000000 + t[2]
end

local function int(n) return string.format("%.0f", n) end
