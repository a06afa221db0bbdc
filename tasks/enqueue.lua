-- enqueue: admit envelopes into one partition, atomically, or refuse each with a
-- reason. A refusal writes nothing.
--
-- KEYS[1]  the partition's hash tag; {} on a standalone Redis: found by the script
-- ARGV     one envelope as JSON, from any client. Or, from the Go client, which
--          has validated and routed them, "batch/1", the partition count it
--          routed by, and for each envelope nine values: JSON, line, operation,
--          priority, bridge id, channel ("" for none), hash of room and idempotency
--          key ("" for none), fingerprint, id of the dead letter that this replays
--          ("" for none).
-- Replies  for JSON: the receipt as JSON, or an error whose first word is its code.
--          for a batch: one string an envelope,
--          "+ id depth position level" (accepted), "= id depth level outcome"
--          (duplicate), "- CODE text" (refused), after the throttle in ms.

-- varint, bytes and entry write protobuf, the encoding of asynq's task message.
local function varint(n)
  if n < 128 then return string.char(n) end
  local out = {}
  repeat
    local b = n % 128
    n = (n - b) / 128
    if n > 0 then b = b + 128 end
    out[#out + 1] = string.char(b)
  until n == 0
  return table.concat(out)
end
local function bytes(tagged, s) return tagged .. varint(#s) .. s end
local function entry(key, value) return bytes("\122", bytes("\10", key) .. bytes("\18", value)) end

-- asynq never gives up by itself: the gateway counts attempts. So the message
-- says retry (5) 1,000,000; and timeout (8) 1,800, which is what asynq.Client
-- writes where none is given.
local RETRY_AND_TIMEOUT = "\40\192\132\61\64\136\14"
local LOCK_TTL = 31536000
local c, us, held, level, first_level, counter

-- open reads what the admissions of this call need; it answers false where no
-- gateway has configured the partition. The call counts its admissions in one
-- field, that of the first envelope's operation and priority.
local function open(operation, priority)
  counter = "enqueued:" .. operation .. ":" .. priority
  c = conf(counter)
  if not c then return false end
  us = now_us()
  held = depth()
  level, first_level = c.level, c.level
  return true
end

-- seen looks for the envelope that used this key before.
local function seen(a)
  local id = redis.call("GET", aq .. "unique:outgate:" .. a.key)
  if id then
    local msg = redis.call("HGET", aq .. "t:" .. id, "msg")
    if msg then
      return id, string.find(msg, entry("outgate-fingerprint", a.fingerprint), 1, true) ~= nil
    end
  end
  local s = redis.call("GET", og .. "key:" .. a.key)
  if not s then return nil end
  local sid, fingerprint = string.match(s, "^(%S+) (%S+)$")
  return sid, fingerprint == a.fingerprint, redis.call("GET", og .. "outcome:" .. sid)
end

-- refused tells whoever counts: without a key, since a refusal writes none.
local function refused(a, code, text)
  redis.call("PUBLISH", og .. "events", string.format(
    '{"event":"refused","partition":%d,"code":"%s","priority":"%s"}', c.partition, code, a.priority))
  return { code = code, text = text }
end

-- before answers for an envelope that is not new, or whose bridge is another.
local function before(a)
  if a.channel ~= "" then
    local channel = redis.call("HGET", og .. "bridges", a.bridge)
    if channel and channel ~= a.channel then
      return refused(a, "OUTGATE_INVALID", "channel: bridge " .. a.bridge .. " is of channel " .. channel)
    end
  end
  if a.replay ~= "" then
    local r = redis.call("HMGET", og .. "dead:" .. a.replay, "record", "replayed_as")
    if not r[1] then return refused(a, "OUTGATE_NOT_FOUND", "no dead letter " .. a.replay) end
    if r[2] then return refused(a, "OUTGATE_ALREADY_REPLAYED", "as " .. r[2]) end
  elseif a.key ~= "" then
    local id, same, outcome = seen(a)
    if id and not same then
      return refused(a, "OUTGATE_IDEMPOTENCY_MISMATCH", "the key was used with other content by " .. id)
    elseif id then
      redis.call("HINCRBY", og .. "state", "duplicates", 1)
      return { id = id, duplicate = true, outcome = outcome }
    end
  end
end

-- no_room answers where the bound or the pressure keeps an envelope out.
local function no_room(a)
  if held >= c.capacity then
    return refused(a, "OUTGATE_QUEUE_FULL", "the partition holds " .. held .. " of " .. c.capacity)
  end
  if level_for(c, held, level) == 3 and string.find("," .. rules().shed .. ",", "," .. a.priority .. ",", 1, true) then
    return refused(a, "OUTGATE_LOAD_SHED", "priority " .. a.priority .. " is shed, the partition holds " .. held .. " of " .. c.capacity)
  end
end

-- admit answers {id, position} or {id, duplicate, outcome} or {code, text}.
local function admit(a)
  local keyed = a.key ~= ""
  local answer = (keyed or a.channel ~= "" or a.replay ~= "") and before(a)
    or held >= c.warn and no_room(a)
  if answer then return answer end

  -- The id is the time of admission in microseconds, made unique: it grows even
  -- where Redis lost its newest writes, so that no id is ever used twice.
  c.seq = math.max(c.seq + 1, us)
  local id = string.format("%03d-%016x", c.partition, c.seq)
  local t, operation = aq .. "t:" .. id, "outgate:" .. a.operation
  local msg = "\10" .. string.char(#operation) .. operation .. "\18" .. varint(#a.payload) .. a.payload
    .. "\26\20" .. id .. "\34" .. string.char(#tag - 2) .. string.sub(tag, 2, -2) .. RETRY_AND_TIMEOUT
  if keyed then
    local lock = aq .. "unique:outgate:" .. a.key
    msg = msg .. bytes("\82", lock) .. entry("outgate-fingerprint", a.fingerprint) .. entry("outgate-key", a.key)
    redis.call("SET", lock, id, "EX", LOCK_TTL)
    redis.call("HSET", t, "unique_key", lock)
  end
  local position = 1
  if redis.call("HSETNX", og .. "heads", a.line, id) == 1 then
    redis.call("HSET", t, "msg", msg, "state", "pending", "pending_since", string.format("%.0f000", us), "og_head", "1")
    local waiting = redis.call(a.priority == "critical" and "RPUSH" or "LPUSH", aq .. "pending", id)
    if waiting == 1 then redis.call("PUBLISH", og .. "wake", "") end
  else
    redis.call("HSET", t, "msg", msg, "state", "scheduled")
    if a.priority == "critical" then redis.call("HSET", t, "og_critical", "1") end
    redis.call("ZADD", aq .. "scheduled", NEVER, id)
    position = redis.call("RPUSH", og .. "line:" .. a.line, id) + 1
  end
  if a.replay ~= "" then
    redis.call("HSET", og .. "dead:" .. a.replay, "replayed_as", id)
    redis.call("ZREM", aq .. "archived", a.replay)
    redis.call("DEL", aq .. "t:" .. a.replay)
  end
  held = held + 1
  if held >= c.warn or level > 0 then level = level_for(c, held, level) end
  local name = "enqueued:" .. a.operation .. ":" .. a.priority
  if name == counter then
    c.count = c.count + 1
  else
    redis.call("HINCRBY", og .. "state", name, 1)
  end
  return { id = id, position = position }
end

-- close writes what the admissions of this call changed in common.
local function close(seq)
  if c.seq == seq then return end
  redis.call("HSET", og .. "state", "seq", string.format("%.0f", c.seq), counter, c.count)
  if level ~= first_level then set_level(c, held, first_level, level) end
end

if ARGV[1] == "batch/1" then
  if not open(ARGV[5], ARGV[6]) then
    return { "0", "- OUTGATE_NOT_READY no gateway has configured this Redis yet" }
  end
  local seq, replies = c.seq, { "0" }
  for i = 3, #ARGV, 9 do
    local a = { payload = ARGV[i], line = ARGV[i + 1], operation = ARGV[i + 2], priority = ARGV[i + 3],
      bridge = ARGV[i + 4], channel = ARGV[i + 5], key = ARGV[i + 6], fingerprint = ARGV[i + 7], replay = ARGV[i + 8] }
    local r
    if c.partitions ~= ARGV[2] then
      r = refused(a, "OUTGATE_WRONG_PARTITION", "the gateway has " .. c.partitions .. " partitions")
    elseif #a.payload > c.max_bytes then
      r = refused(a, "OUTGATE_TOO_LARGE", #a.payload .. " bytes, the limit is " .. c.max_bytes)
    else
      r = admit(a)
    end
    if r.code then
      replies[#replies + 1] = "- " .. r.code .. " " .. r.text
    elseif r.duplicate then
      replies[#replies + 1] = "= " .. r.id .. " " .. held .. " " .. LEVELS[level] .. " " .. (r.outcome or "")
    else
      replies[#replies + 1] = "+ " .. r.id .. " " .. held .. " " .. r.position .. " " .. LEVELS[level]
    end
  end
  close(seq)
  if level > 1 then replies[1] = rules().throttle_ms end
  return replies
end
