-- enqueue: admit envelopes into one partition, atomically, or refuse each with a
-- reason. A refusal writes nothing. There are three ways to call it:
--
--   batch/2   the Go client, which has validated and routed its envelopes
--   (JSON)    any Redis client, with one envelope
--   stream/1  a worker, for what producers have put into the partition's stream
--
-- KEYS[1]  the partition's hash tag; {} on a standalone Redis: found by the script
-- ARGV     batch/2: "batch/2", the scheme that the client routed by, and for each
--          envelope ten values: JSON, line, operation, priority, bridge id, channel
--          ("" for none), hash of room and idempotency key ("" for none), fingerprint,
--          id of the dead letter that this replays ("" for none), and for edits "+"
--          and the message, with "-" for one that takes no other edit's place ("" for
--          all else)
--          (JSON): one envelope
--          stream/1: "stream/1", how many, how long outcomes are kept, in ms
-- Replies  batch/2: the throttle in ms, then one string an envelope: "+ id depth
--          position level" (accepted), "= id depth level outcome" (duplicate) or
--          "- CODE text" (refused)
--          (JSON): the receipt as JSON, or an error whose first word is its code
--          stream/1: how many were taken off the stream
-- @include admit.lua
local NOT_READY = "OUTGATE_NOT_READY no gateway has configured this Redis yet"

if ARGV[1] == "batch/2" then
  if not open(ARGV[5], ARGV[6]) then return { "0", "- " .. NOT_READY } end
  local replies = { "0" }
  for i = 3, #ARGV, 10 do
    local payload, priority = ARGV[i], ARGV[i + 3]
    local id, what, more
    if c.scheme ~= ARGV[2] then
      id, what, more = refused(priority, "OUTGATE_WRONG_PARTITION", "the gateway has the scheme " .. c.scheme)
    elseif #payload > c.max_bytes then
      id, what, more = refused(priority, "OUTGATE_TOO_LARGE", #payload .. " bytes, the limit is " .. c.max_bytes)
    else
      id, what, more = admit(payload, ARGV[i + 1], ARGV[i + 2], priority, ARGV[i + 4], ARGV[i + 5], ARGV[i + 6],
        ARGV[i + 7], ARGV[i + 8], ARGV[i + 9])
    end
    if not id then
      replies[#replies + 1] = "- " .. what .. " " .. more
    elseif what == "duplicate" then
      replies[#replies + 1] = "= " .. id .. " " .. held .. " " .. LEVELS[level] .. " " .. more
    else
      replies[#replies + 1] = "+ " .. id .. " " .. held .. " " .. what .. " " .. LEVELS[level]
    end
  end
  close()
  if level > 1 then replies[1] = rules().throttle_ms end
  return replies
end

-- What only the other two ways need is below: each call makes its functions anew.
-- @include envelope.lua
-- @include route.lua

-- enter makes the keys of a partition those of this call.
local function enter(namespace, index)
  tag = string.format("{%s-%03d}", namespace, index)
  og, aq = "outgate:" .. tag .. ":", "asynq:" .. tag .. ":"
end

-- place answers the partition and the line of an envelope, or nil and the partition
-- that it belongs to instead. With a scheme the caller left that to the script.
local function place(e, scheme)
  if scheme then
    local index, line = route(e, scheme[1], scheme[2], tonumber(scheme[3]))
    enter(scheme[4], index)
    return index, line
  end
  scheme = redis.call("HMGET", og .. "state", "hash", "hash_key", "partitions")
  local index, line = route(e, scheme[1], scheme[2], tonumber(scheme[3]))
  if index == c.partition then return index, line end
  return nil, string.format("want %s-%03d", match(tag, "^{(.*)%-%d+}$"), index)
end

-- turned_away refuses what never came to admission. It is counted as any other refusal
-- if the caller named the partition.
local function turned_away(code, text, priority, scheme)
  if not scheme then refused(priority or "unknown", code, text) end
  return nil, code .. " " .. text
end

-- accept admits one envelope as JSON. It answers its receipt, its id and true for a
-- duplicate that is settled, or nil and the refusal.
local function accept(json)
  local scheme
  if tag == "{}" then
    scheme = redis.call("HMGET", "outgate:api", "hash", "hash_key", "partitions", "namespace")
    if not scheme[3] then return nil, NOT_READY end
    enter(scheme[4], 0) -- all partitions have the same limit
  end
  c = conf()
  if not c then return nil, NOT_READY end
  if #json > c.max_bytes then
    return turned_away("OUTGATE_TOO_LARGE", #json .. " bytes, the limit is " .. c.max_bytes, nil, scheme)
  end
  local e = decode(json)
  if fault then return turned_away("OUTGATE_INVALID", fault, nil, scheme) end
  local routing_key, priority = e.bridge_id .. ":" .. e.external_room_id, e.priority or "normal"
  local index, line = place(e, scheme)
  if not index then return turned_away("OUTGATE_WRONG_PARTITION", line, priority) end

  if not open(e.operation, priority) then return nil, NOT_READY end
  local key, print = "", ""
  if e.idempotency_key then
    key, print = redis.sha1hex(routing_key .. "\n" .. e.idempotency_key), fingerprint(e)
  end
  local edit = e.external_message_id and (e.operation == "edit" and not e.expires_at_ms and "+" or "-")
    .. e.external_message_id or ""
  local id, what, more = admit(json, line, e.operation, priority, e.bridge_id, e.channel or "", key, print, "", edit)
  if not id then return nil, what .. " " .. more end
  close()
  local duplicate = what == "duplicate"
  local receipt = string.format('{"status":"%s","id":"%s","partition":%d,"routing_key":%s,"pressure_level":"%s","depth":%d,'
    .. '"position":%d,"idempotent":%s%s}',
    duplicate and "duplicate" or "accepted", id, index, '"' .. gsub(routing_key, '["\\]', "\\%0") .. '"',
    LEVELS[level], held, duplicate and 0 or what, duplicate and "true" or "false",
    duplicate and more ~= "" and ',"outcome":' .. more or "")
  return receipt, id, duplicate and more ~= ""
end

if ARGV[1] ~= "stream/1" then
  local receipt, refusal = accept(ARGV[1] or "")
  return receipt or redis.error_reply(refusal)
end
-- @include reply.lua

local function fields(list)
  local f = {}
  for i = 1, #list, 2 do f[list[i]] = list[i + 1] end
  return f
end

-- hear answers whether an entry wants to hear of its envelope and may: the list's name,
-- and the ref in JSON.
local function hear(f, entry_id)
  local to, ref = f.reply_to, f.ref or entry_id
  if to and to ~= "" and #to <= 128 and not find(to, "[^%w._:-]") and #ref <= 255 and valid_utf8(ref) then
    return to, cjson.encode(ref)
  end
end

-- drain admits what waits in the stream, in its order, and takes it off in the same
-- step: so it does not matter which worker calls, or how many do.
--
-- An entry has the fields envelope (JSON) and, for one that wants to hear of it,
-- reply_to and ref. Replies go to the list outgate:reply:{outbound-007}:<reply_to>, each
-- as JSON: {"ref":…,"receipt":…} or {"ref":…,"refused":{"code":…,"text":…}}, and once it
-- is settled {"ref":…,"outcome":…}. Without a ref it is the entry's id.
local function drain(stream, most, kept)
  local entries = redis.call("XRANGE", stream, "-", "+", "COUNT", most)
  for _, entry in ipairs(entries) do
    local f = fields(entry[2])
    local receipt, id, settled = accept(f.envelope or "")
    local to, ref = hear(f, entry[1])
    if to and not receipt then
      local code, text = match(id, "^(%S+) ?(.*)$")
      reply(to, ref, '"refused":{"code":"' .. code .. '","text":' .. cjson.encode(text) .. "}", kept)
    elseif to then
      reply(to, ref, '"receipt":' .. receipt, kept)
      if not settled then
        local t = aq .. "t:" .. id
        local others = redis.call("HGET", t, "og_reply")
        redis.call("HSET", t, "og_reply", (others and others .. "\n" or "") .. to .. " " .. ref)
      end
    end
    redis.call("XDEL", stream, entry[1])
  end
  -- An empty stream keeps the last id it was given. A producer could give it the last
  -- one there is, and nobody could add anything more.
  if #entries > 0 and redis.call("XLEN", stream) == 0 then redis.call("DEL", stream) end
  return #entries
end
return drain("outgate:in:" .. tag, ARGV[2], ARGV[3])
