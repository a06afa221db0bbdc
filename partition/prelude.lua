-- What all scripts of a partition share. KEYS[1] is the partition's hash tag,
-- {outbound-007}; every other key of a call derives from it.
local tag = KEYS[1]
local og, aq = "outgate:" .. tag .. ":", "asynq:" .. tag .. ":"
local LEVELS = { [0] = "normal", "warn", "degraded", "shed" }
-- A parked task is never due: asynq shows it as scheduled for the year 9999.
local NEVER = "253402300799"

-- conf reads the partition's configuration, nil where no worker has written it.
local function conf()
  local s = redis.call("GET", og .. "conf")
  if not s then return nil end
  local c = {}
  c.count, c.partition, c.hash, c.hash_key, c.capacity, c.warn, c.degraded, c.shed, c.hysteresis,
    c.shed_priorities, c.throttle_ms, c.max_bytes =
    string.match(s, "^1 (%d+) (%d+) (%S+) (%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (%S+) (%d+) (%d+)$")
  if not c.count then return nil end
  c.capacity = tonumber(c.capacity)
  c.above = { tonumber(c.warn), tonumber(c.degraded), tonumber(c.shed) }
  c.hysteresis = tonumber(c.hysteresis)
  return c
end

-- depth is how many envelopes the partition holds.
local function depth()
  return redis.call("LLEN", aq .. "pending") + redis.call("LLEN", aq .. "active")
    + redis.call("ZCARD", aq .. "retry") + redis.call("ZCARD", aq .. "scheduled")
end

-- level_for is the pressure level of a depth, given the level before: a level is
-- left only some way below its threshold, so that it does not flap.
local function level_for(c, n, old)
  local up = n >= c.above[3] and 3 or n >= c.above[2] and 2 or n >= c.above[1] and 1 or 0
  while old > up and n <= c.above[old] - c.hysteresis do old = old - 1 end
  return up > old and up or old
end

-- set_level writes a changed level and tells of it, once.
local function set_level(c, n, old, new)
  if new == old then return end
  redis.call("SET", og .. "level", new)
  redis.call("HINCRBY", og .. "counts", "level:" .. LEVELS[new], 1)
  redis.call("PUBLISH", og .. "events", string.format(
    '{"event":"pressure","partition":%d,"from":"%s","to":"%s","depth":%d,"capacity":%d}',
    c.partition, LEVELS[old], LEVELS[new], n, c.capacity))
end

-- level_now is the level as last written.
local function level_now() return tonumber(redis.call("GET", og .. "level") or "0") end

-- now_us is Redis' clock in microseconds.
local function now_us()
  local t = redis.call("TIME")
  return t[1] * 1000000 + t[2]
end

local function int(n) return string.format("%.0f", n) end
