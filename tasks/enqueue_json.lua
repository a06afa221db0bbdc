-- The road of any Redis client: one envelope as JSON, checked here as the Go
-- client checks it there.
local json = ARGV[1]
local function invalid(name, why) return redis.error_reply("OUTGATE_INVALID " .. name .. ": " .. why) end

local INTEGERS = { max_attempts = 1, base_backoff_ms = 1, max_backoff_ms = 1, expires_at_ms = 1 }
local MEDIA_INTEGERS = { size_bytes = 1, width = 1, height = 1, duration = 1 }
local OBJECTS = { opts = 1, session_key = 1, route_resolution = 1 }
local FIELDS = { operation = 1, bridge_id = 1, external_room_id = 1, channel = 1, payload = 1, external_message_id = 1,
  opts = 1, idempotency_key = 1, priority = 1, max_attempts = 1, base_backoff_ms = 1, max_backoff_ms = 1,
  expires_at_ms = 1, session_key = 1, route_resolution = 1, correlation_id = 1, traceparent = 1 }
local MEDIA = { "kind", "url", "data", "media_type", "filename", "size_bytes", "width", "height", "duration",
  "thumbnail_url", "caption", "fallback_text" }
local MEDIA_FIELDS = {}
for _, name in ipairs(MEDIA) do MEDIA_FIELDS[name] = 1 end
local OPTS = { format = 1, reply_to = 1, thread_id = 1, silent = 1, media_policy = 1, metadata = 1 }

-- valid_utf8 replaces every whole character by a blank: what is left of the high
-- bytes is broken.
local function valid_utf8(s)
  if not string.find(s, "[\128-\255]") then return true end
  s = string.gsub(s, "[\194-\223][\128-\191]", " ")
  s = string.gsub(s, "\224[\160-\191][\128-\191]", " ")
  s = string.gsub(s, "[\225-\236\238\239][\128-\191][\128-\191]", " ")
  s = string.gsub(s, "\237[\128-\159][\128-\191]", " ")
  s = string.gsub(s, "\240[\144-\191][\128-\191][\128-\191]", " ")
  s = string.gsub(s, "[\241-\243][\128-\191][\128-\191][\128-\191]", " ")
  s = string.gsub(s, "\244[\128-\143][\128-\191][\128-\191]", " ")
  return not string.find(s, "[\128-\255]")
end

local function has_control(s) return string.find(s, "[%z\1-\31\127]") or string.find(s, "\194[\128-\159]") end

-- strip drops the fields that are null, which count as absent, and names a field
-- that is not known.
local function strip(o, known)
  local unknown
  for name, v in pairs(o) do
    if v == cjson.null then
      o[name] = nil
    elseif not known[name] and (not unknown or tostring(name) < unknown) then
      unknown = tostring(name)
    end
  end
  return unknown
end

-- written_as_integer tells 1 from 1.0, which decode alike.
local function written_as_integer(name, v)
  local want = int(v)
  for text in string.gmatch(json, '"' .. name .. '"%s*:%s*(%-?[%d%.eE%+%-]+)') do
    if text == want then return true end
  end
  return false
end

local function bad_integer(o, names)
  local bad
  for name in pairs(names) do
    local v = o[name]
    if v ~= nil and (not bad or name < bad) then
      if type(v) ~= "number" or v <= 0 or v > 9007199254740991 or not written_as_integer(name, v) then bad = name end
    end
  end
  return bad
end

-- bad_object names the first of the fields that is there and no JSON object. An
-- empty array decodes like an empty object: the text tells them apart.
local function bad_object(o, names)
  for name in pairs(names) do
    local v = o[name]
    if v ~= nil and (type(v) ~= "table" or #v > 0
      or (next(v) == nil and string.find(json, '"' .. name .. '"%s*:%s*%['))) then
      return name
    end
  end
end

local function bad_string(o, name, limit)
  local v = o[name]
  if v == nil then return nil end
  if type(v) ~= "string" then return "must be a string" end
  if v == "" then return "must not be empty" end
  if #v > limit then return "is longer than " .. limit .. " bytes" end
  if has_control(v) then return "has a control character" end
end

-- check answers the name of the faulty field and why, or nothing.
local function check_media(p)
  if type(p) ~= "table" or #p > 0 then return "payload", "must be an object for media" end
  local unknown = strip(p, MEDIA_FIELDS)
  if unknown then return "payload." .. unknown, "is not known" end
  for _, name in ipairs(MEDIA) do
    if p[name] ~= nil and not MEDIA_INTEGERS[name] and type(p[name]) ~= "string" then
      return "payload." .. name, "must be a string"
    end
  end
  if p.kind == nil then return "payload.kind", "is required" end
  if not ({ image = 1, audio = 1, video = 1, file = 1 })[p.kind] then
    return "payload.kind", "must be image, audio, video or file"
  end
  local url, data = p.url or "", p.data or ""
  if url == "" and data == "" then return "payload.url", "url or data is required" end
  if url ~= "" and data ~= "" then return "payload.data", "give url or data, not both" end
  if url ~= "" and not string.find(url, "^[hH][tT][tT][pP][sS]?://[^/%s]") then return "payload.url", "must be an absolute http(s) URL" end
  if data ~= "" and (#data % 4 ~= 0 or not string.find(data, "^[A-Za-z0-9+/]*=?=?$")) then
    return "payload.data", "must be base64"
  end
  local thumbnail = p.thumbnail_url or ""
  if thumbnail ~= "" and not string.find(thumbnail, "^[hH][tT][tT][pP][sS]?://[^/%s]") then
    return "payload.thumbnail_url", "must be an absolute http(s) URL"
  end
  local bad = bad_integer(p, MEDIA_INTEGERS)
  if bad then return "payload." .. bad, "must be an integer above 0" end
end

local function check_opts(o)
  local unknown = strip(o, OPTS)
  if unknown then return "opts." .. unknown, "is not known" end
  if o.format ~= nil and not ({ plain = 1, markdown = 1, html = 1 })[o.format] then
    return "opts.format", "must be plain, markdown or html"
  end
  if o.media_policy ~= nil and not ({ reject = 1, fallback_text = 1 })[o.media_policy] then
    return "opts.media_policy", "must be reject or fallback_text"
  end
  if o.silent ~= nil and type(o.silent) ~= "boolean" then return "opts.silent", "must be true or false" end
  for _, name in ipairs({ "reply_to", "thread_id" }) do
    local why = bad_string(o, name, 512)
    if why then return "opts." .. name, why end
  end
  if bad_object(o, { metadata = 1 }) then return "opts.metadata", "must be an object" end
end

local function check(e)
  local unknown = strip(e, FIELDS)
  if unknown then return unknown, "is not known" end
  local op = e.operation
  if op == nil then return "operation", "is required" end
  if type(op) ~= "string" or not ({ send = 1, edit = 1, send_media = 1, edit_media = 1 })[op] then
    return "operation", "must be send, edit, send_media or edit_media"
  end
  if e.bridge_id == nil then return "bridge_id", "is required" end
  if type(e.bridge_id) ~= "string" or #e.bridge_id > 128 or not string.find(e.bridge_id, "^[A-Za-z0-9._-]+$") then
    return "bridge_id", "must match [A-Za-z0-9._-]{1,128}"
  end
  if e.external_room_id == nil then return "external_room_id", "is required" end
  if type(e.external_room_id) == "number" then
    return "external_room_id", "must be a string, a number would lose digits"
  end
  local why = bad_string(e, "external_room_id", 512)
  if why then return "external_room_id", why end
  for name, limit in pairs({ channel = 64, idempotency_key = 255, correlation_id = 256 }) do
    why = bad_string(e, name, limit)
    if why then return name, why end
  end
  if e.payload == nil then return "payload", "is required" end
  if op == "send" or op == "edit" then
    if type(e.payload) ~= "string" then return "payload", "must be a string for " .. op end
    if e.payload == "" then return "payload", "must not be empty" end
  else
    local name, what = check_media(e.payload)
    if name then return name, what end
  end
  if op == "edit" or op == "edit_media" then
    if e.external_message_id == nil then return "external_message_id", "is required for " .. op end
    why = bad_string(e, "external_message_id", 512)
    if why then return "external_message_id", why end
  elseif e.external_message_id ~= nil then
    return "external_message_id", "is not for " .. op
  end
  if e.priority ~= nil and not ({ critical = 1, high = 1, normal = 1, low = 1 })[e.priority] then
    return "priority", "must be critical, high, normal or low"
  end
  local bad = bad_integer(e, INTEGERS)
  if bad then return bad, "must be an integer above 0" end
  if e.base_backoff_ms and e.max_backoff_ms and e.base_backoff_ms > e.max_backoff_ms then
    return "max_backoff_ms", "is below base_backoff_ms"
  end
  bad = bad_object(e, OBJECTS)
  if bad then return bad, "must be an object" end
  if e.opts then
    local name, what = check_opts(e.opts)
    if name then return name, what end
  end
  if e.traceparent ~= nil and (type(e.traceparent) ~= "string" or #e.traceparent ~= 55
    or not string.find(e.traceparent, "^00%-[0-9a-f]+%-[0-9a-f]+%-[0-9a-f][0-9a-f]$")
    or string.sub(e.traceparent, 36, 36) ~= "-") then
    return "traceparent", "must be a W3C traceparent"
  end
end

local function fingerprint(e)
  local parts = {}
  local function add(s) parts[#parts + 1] = #s .. ":" .. s end
  add(e.operation)
  add(e.external_message_id or "")
  if type(e.payload) == "string" then
    add("t")
    add(e.payload)
  else
    add("m")
    for _, name in ipairs(MEDIA) do
      local v = e.payload[name]
      add(type(v) == "number" and int(v) or v or "")
    end
  end
  return redis.sha1hex(table.concat(parts))
end

-- fnv1a without bit operations: only the low byte of the hash meets the input.
local function fnv1a(s)
  local h = 2166136261
  for i = 1, #s do
    local low, b, x, bit = h % 256, string.byte(s, i), 0, 1
    local rest = h - low
    for _ = 1, 8 do
      if low % 2 ~= b % 2 then x = x + bit end
      low, b, bit = math.floor(low / 2), math.floor(b / 2), bit * 2
    end
    h = rest + x
    -- h * 16777619 mod 2^32, in parts that a double holds exactly
    h = ((h % 256) * 16777216 + h * 403) % 4294967296
  end
  return h
end

-- route is the partition and the line of an envelope.
local function route(e, hash, hash_key, partitions)
  local line = e.bridge_id .. ":" .. e.external_room_id
  if hash_key == "thread" and e.opts and e.opts.thread_id then line = line .. ":" .. e.opts.thread_id end
  local key = hash_key == "bridge" and e.bridge_id or line
  local h = hash == "fnv1a" and fnv1a(key) or tonumber(string.sub(redis.sha1hex(key), 1, 8), 16)
  return h % partitions, line
end

if not json then return invalid("(envelope)", "is missing") end
local NOT_READY = "OUTGATE_NOT_READY no gateway has configured this Redis yet"
local scheme
if tag == "{}" then
  scheme = redis.call("HMGET", "outgate:api", "hash", "hash_key", "partitions", "namespace")
  if not scheme[3] then return redis.error_reply(NOT_READY) end
else
  c = conf()
  if not c then return redis.error_reply(NOT_READY) end
end
-- How large is too large is known with the partition; without one, after decoding.
local function too_large()
  if #json <= c.max_bytes then return nil end
  return redis.error_reply("OUTGATE_TOO_LARGE " .. #json .. " bytes, the limit is " .. c.max_bytes)
end
if c and too_large() then return too_large() end
if not valid_utf8(json) then return invalid("(envelope)", "is not valid UTF-8") end
local ok, e = pcall(cjson.decode, json)
if not ok or type(e) ~= "table" or not string.find(json, "^%s*{") then
  return invalid("(envelope)", "is not a JSON object")
end
local name, why = check(e)
if name then return invalid(name, why) end

local index, line
if scheme then
  index, line = route(e, scheme[1], scheme[2], tonumber(scheme[3]))
  tag = "{" .. string.format("%s-%03d", scheme[4], index) .. "}"
  og, aq = "outgate:" .. tag .. ":", "asynq:" .. tag .. ":"
else
  scheme = redis.call("HMGET", og .. "state", "hash", "hash_key")
  index, line = route(e, scheme[1], scheme[2], tonumber(c.partitions))
  if index ~= c.partition then
    local namespace = string.match(tag, "^{(.*)%-%d+}$")
    return redis.error_reply(string.format("OUTGATE_WRONG_PARTITION want %s-%03d", namespace, index))
  end
end

local routing_key, priority = e.bridge_id .. ":" .. e.external_room_id, e.priority or "normal"
if not open(e.operation, priority) then return redis.error_reply(NOT_READY) end
if too_large() then return too_large() end
local a = { payload = json, line = line, operation = e.operation, priority = priority, bridge = e.bridge_id,
  channel = e.channel or "", key = "", fingerprint = "", replay = "" }
if e.idempotency_key then
  a.key = redis.sha1hex(routing_key .. "\n" .. e.idempotency_key)
  a.fingerprint = fingerprint(e)
end
local seq = c.seq
local r = admit(a)
if r.code then return redis.error_reply(r.code .. " " .. r.text) end
close(seq)
return string.format('{"status":"%s","id":"%s","partition":%d,"routing_key":%s,"pressure_level":"%s","depth":%d,'
  .. '"position":%d,"idempotent":%s%s}',
  r.duplicate and "duplicate" or "accepted", r.id, index, (string.gsub(cjson.encode(routing_key), "\\/", "/")),
  LEVELS[level], held, r.position or 0, r.duplicate and "true" or "false",
  r.outcome and ',"outcome":' .. r.outcome or "")
