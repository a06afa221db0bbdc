-- admit: the admission of one envelope that is known to be valid. open comes first,
-- then admit for each, then close.
-- @include clock.lua
-- @include pressure.lua
-- @include message.lua

-- LOCK_TTL is how long the lock of an idempotency key outlives a lost task, in s.
local LOCK_TTL = 31536000
-- What the call knows once open has read it, and what its admissions change.
local queue, c, us, held, level, first_level, first_seq, first_operation, first_priority

-- open reads what the admissions of this call need; it answers false where no
-- gateway has configured the partition. The call counts its admissions in one
-- field, that of the first envelope's operation and priority.
local function open(operation, priority)
  c = conf("enqueued:" .. operation .. ":" .. priority)
  if not c then return false end
  us, held, level = now_us(), depth(), c.level
  first_level, first_seq, first_operation, first_priority = level, c.seq, operation, priority
  queue = varint(#tag - 2) .. string.sub(tag, 2, -2)
  return true
end

-- seen looks for the envelope that used this key before: its id, whether it had the
-- same content, and its outcome if it is settled.
local function seen(key, fingerprint)
  local id = redis.call("GET", aq .. "unique:outgate:" .. key)
  if id then
    local msg = redis.call("HGET", aq .. "t:" .. id, "msg")
    if msg then
      return id, string.find(msg, header("outgate-fingerprint", fingerprint), 1, true) ~= nil
    end
  end
  local s = redis.call("GET", og .. "key:" .. key)
  if not s then return nil end
  local sid, used = string.match(s, "^(%S+) (%S+)$")
  return sid, used == fingerprint, redis.call("GET", og .. "outcome:" .. sid)
end

-- refused tells whoever counts: without a key, since a refusal writes none.
local function refused(priority, code, text)
  redis.call("PUBLISH", og .. "events", string.format(
    '{"event":"refused","partition":%d,"code":"%s","priority":"%s"}', c.partition, code, priority))
  return nil, code, text
end

-- before answers, as admit does, for an envelope that is not new or whose bridge is
-- another, and nothing for one that is to be admitted.
local function before(priority, bridge, channel, key, fingerprint, replay)
  if channel ~= "" then
    local is = redis.call("HGET", og .. "bridges", bridge)
    if is and is ~= channel then
      return refused(priority, "OUTGATE_INVALID", "channel: bridge " .. bridge .. " is of channel " .. is)
    end
  end
  if replay ~= "" then
    local r = redis.call("HMGET", og .. "dead:" .. replay, "record", "replayed_as")
    if not r[1] then return refused(priority, "OUTGATE_NOT_FOUND", "no dead letter " .. replay) end
    if r[2] then return refused(priority, "OUTGATE_ALREADY_REPLAYED", "as " .. r[2]) end
  elseif key ~= "" then
    local id, same, outcome = seen(key, fingerprint)
    if id and not same then
      return refused(priority, "OUTGATE_IDEMPOTENCY_MISMATCH", "the key was used with other content by " .. id)
    elseif id then
      redis.call("HINCRBY", og .. "state", "duplicates", 1)
      return id, "duplicate", outcome or ""
    end
  end
end

-- no_room answers where the bound or the pressure keeps an envelope out.
local function no_room(priority)
  if held >= c.capacity then
    return refused(priority, "OUTGATE_QUEUE_FULL", "the partition holds " .. held .. " of " .. c.capacity)
  end
  if level_for(c, held, level) == 3 and string.find("," .. rules().shed .. ",", "," .. priority .. ",", 1, true) then
    return refused(priority, "OUTGATE_LOAD_SHED",
      "priority " .. priority .. " is shed, the partition holds " .. held .. " of " .. c.capacity)
  end
end

-- edited notes which edits of a message follow each other without another operation
-- on it: the first and the last of them. An earlier one that still waits need not be
-- sent (partition/superseded.lua). Without it every edit is sent, so it may expire.
local EDITS_TTL = 86400000
local function edited(line, edit, id)
  local runs, message = og .. "edits:" .. line, string.sub(edit, 2)
  if string.sub(edit, 1, 1) == "-" then return redis.call("HDEL", runs, message) end
  local run = redis.call("HGET", runs, message)
  redis.call("HSET", runs, message, (run and string.match(run, "^%S+") or id) .. " " .. id)
  redis.call("PEXPIRE", runs, EDITS_TTL)
end

-- admit answers id and position; or id, "duplicate" and the outcome; or nil, code
-- and text.
local function admit(payload, line, operation, priority, bridge, channel, key, fingerprint, replay, edit)
  if key ~= "" or channel ~= "" or replay ~= "" then
    local id, what, more = before(priority, bridge, channel, key, fingerprint, replay)
    if what then return id, what, more end
  end
  if held >= c.warn then
    local _, code, text = no_room(priority)
    if code then return nil, code, text end
  end

  -- The id is the time of admission in microseconds, made unique: it grows even
  -- where Redis lost its newest writes, so that no id is ever used twice.
  c.seq = math.max(c.seq + 1, us)
  local id = string.format("%03d-%016x", c.partition, c.seq)
  local t, critical = aq .. "t:" .. id, priority == "critical"
  local msg = message_of(operation, payload, id, queue)
  if key ~= "" then
    local lock = aq .. "unique:outgate:" .. key
    msg = msg .. field(LOCK, lock) .. header("outgate-fingerprint", fingerprint) .. header("outgate-key", key)
    redis.call("SET", lock, id, "EX", LOCK_TTL)
    redis.call("HSET", t, "unique_key", lock)
  end
  local position = 1
  if redis.call("HSETNX", og .. "heads", line, id) == 1 then
    redis.call("HSET", t, "msg", msg, "state", "pending", "pending_since", int(us) .. "000", "og_head", "1")
    local waiting = redis.call(critical and "RPUSH" or "LPUSH", aq .. "pending", id)
    if waiting == 1 then redis.call("PUBLISH", og .. "wake", "") end
  else
    redis.call("HSET", t, "msg", msg, "state", "scheduled")
    if critical then redis.call("HSET", t, "og_critical", "1") end
    redis.call("ZADD", aq .. "scheduled", NEVER, id)
    position = redis.call("RPUSH", og .. "line:" .. line, id) + 1
  end
  if edit ~= "" then edited(line, edit, id) end
  if replay ~= "" then
    redis.call("HSET", og .. "dead:" .. replay, "replayed_as", id)
    redis.call("ZREM", aq .. "archived", replay)
    redis.call("DEL", aq .. "t:" .. replay)
  end
  held = held + 1
  if held >= c.warn or level > 0 then level = level_for(c, held, level) end
  if operation == first_operation and priority == first_priority then
    c.count = c.count + 1
  else
    redis.call("HINCRBY", og .. "state", "enqueued:" .. operation .. ":" .. priority, 1)
  end
  return id, position
end

-- close writes what the admissions of this call changed in common.
local function close()
  if c.seq == first_seq then return end
  redis.call("HSET", og .. "state", "seq", int(c.seq), "enqueued:" .. first_operation .. ":" .. first_priority, c.count)
  if level ~= first_level then set_level(c, held, first_level, level) end
end
