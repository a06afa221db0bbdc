-- The road of any Redis client: one envelope as JSON, checked here as
-- DecodeEnvelope checks it in Go. Both refuse the same envelopes and name the same
-- field: types and names are looked at before values, each in the order of the
-- contract. They differ where the same would cost more than it is worth:
--
--   - JSON that cjson cannot decode is a fault of (envelope), where Go names the
--     field: half a surrogate pair, and more than 1,000 levels of nesting.
--   - In the name of an unknown field, whatever is no letter, digit, dot, dash,
--     underscore or blank is shown as a question mark.
--   - An IPv6 address in a URL is taken in its plain form alone: no zone, no IPv4
--     address inside.
--   - The embedded Redis decodes as Go does, so there an unknown field that is null
--     is not seen, and a number beyond all doubles is no JSON.
local find, gsub, sub, match = string.find, string.gsub, string.sub, string.match
local function has(s, plain) return find(s, plain, 1, true) end
local fault
local function fail(name, why) fault = fault or name .. ": " .. why end

-- valid_utf8 looks at each run of bytes beyond ASCII once: it puts a blank for
-- every whole character, and then nothing else may be left.
local function valid_utf8(s)
  if find(s, "^[\1-\127%z]*$") then return true end
  local characters = {
    "^[^\225-\236\238\239]*$", "[\225-\236\238\239][\128-\191][\128-\191]",
    "^[^\194-\223]*$", "[\194-\223][\128-\191]",
    "^[^\240]*$", "\240[\144-\191][\128-\191][\128-\191]",
    "^[^\224]*$", "\224[\160-\191][\128-\191]",
    "^[^\237]*$", "\237[\128-\159][\128-\191]",
    "^[^\241-\243]*$", "[\241-\243][\128-\191][\128-\191][\128-\191]",
    "^[^\244]*$", "\244[\128-\143][\128-\191][\128-\191]",
  }
  local valid, seen = true, {}
  gsub(s, "[\128-\255]+", function(run)
    if seen[run] then return end
    seen[run] = true
    for i = 1, #characters, 2 do
      if not find(run, characters[i]) then
        run = gsub(run, string.rep(characters[i + 1], 8), " ")
        run = gsub(run, characters[i + 1], " ")
      end
    end
    if not find(run, "^ *$") then valid = false end
  end)
  return valid
end

-- outside is what stands outside the strings, with a $ for each of them; a string
-- with a raw control character keeps its quotes.
local function outside(s)
  if has(s, '\\"') or has(s, "\\\\") then s = gsub(s, '\\["\\]', "") end
  return (gsub(s, '"[#-\255 !]*"', "$"))
end

-- lax finds what cjson takes for JSON and is none: control characters in strings,
-- bytes after a NUL, and numbers such as 01, 1., -.5, +1, 0x1, inf and nan.
local function lax(rest)
  if not find(rest, '[%w"%z]') then return false end
  for _, odd in ipairs({ '"', "\0", "i", "I", "x", "X", "N", "na", "nA" }) do
    if has(rest, odd) then return true end
  end
  return has(rest, ".") and (find(rest, "%D%.") or find(rest, "%.%D"))
    or has(rest, "+") and find(rest, "[^eE]%+")
    or has(rest, "0") and find(rest, "[^%d.]0%d") and (find(rest, "[^%w.+-]0%d") or find(rest, "[^eE]%-0%d"))
end

-- half_pair and deep find, for the embedded Redis, what cjson refuses by itself.
local function half_pair(s)
  if not has(s, "\\u") then return false end
  s = gsub(s, "\\\\", "")
  s = gsub(s, "\\u[dD][89abAB]%x%x\\u[dD][c-fC-F]%x%x", "")
  return find(s, "\\u[dD][89a-fA-F]")
end
local function deep(rest)
  local depth, most = 0, 0
  for bracket in string.gmatch(rest, "[%[%]{}]") do
    depth = depth + ((bracket == "[" or bracket == "{") and 1 or -1)
    most = math.max(most, depth)
  end
  return most > 1000
end

-- shaped puts back what decoding forgets: 1.0 decodes to 1 and [] to {}. Where that
-- matters, it decodes a copy once more, in which such a number has a fraction and
-- no array is empty.
local function shaped(e, json, rest)
  local empty = has(rest, "[") and (find(rest, "%[%s*%]") or not cjson.null and find(rest, "%[%s*null"))
  local fraction = (has(rest, ".") or has(rest, "e") or has(rest, "E")) and find(rest, ":%s*%-?%d+[.eE]")
  if not empty and not fraction then return end
  local function doubtful(o)
    for _, v in pairs(type(o) == "table" and o or {}) do
      if type(v) == "number" or type(v) == "table" and next(v) == nil then return true end
    end
  end
  if not (doubtful(e) or doubtful(e.opts) or doubtful(e.payload)) then return end
  local copy = gsub(json, "(:%s*%-?%d+)[.eE][%d.eE+-]*", "%1.5")
  copy = gsub(copy, "%[%s*%]", "[0]")
  copy = cjson.decode((gsub(copy, "%[%s*null", "[0")))
  local function put(into, from)
    if type(into) ~= "table" or type(from) ~= "table" then return end
    for name, v in pairs(from) do
      if into[name] ~= nil and (type(v) == "number" or type(v) == "table" and v[1] ~= nil) then into[name] = v end
    end
  end
  put(e.opts, copy.opts)
  put(e.payload, copy.payload)
  put(e, copy)
end

local function is_object(v) return type(v) == "table" and v[1] == nil end

-- text is a string that, if it is there, is not empty.
local function text(o, path, name, if_number)
  local v = o[name]
  if v == nil or type(v) == "string" and v ~= "" then return end
  fail(path .. name, v == "" and "must not be empty" or type(v) == "number" and if_number or "must be a string")
end
local DIGITS = "must be a string, a number would lose digits"

local function positive(o, path, name)
  local v = o[name]
  if v == nil then return end
  if type(v) ~= "number" or v % 1 ~= 0 then
    fail(path .. name, "must be an integer")
  elseif v <= 0 then
    fail(path .. name, "must be greater than 0")
  end
end

-- known drops the fields that are null, which count as absent, and answers a field
-- that is not among the names.
local function known(o, names)
  local unknown
  for name, v in pairs(o) do
    if not names[name] then
      if not unknown or name < unknown then unknown = name end
    elseif v == cjson.null then
      o[name] = nil
    end
  end
  return unknown
end

local function refuse_unknown(path, name)
  if not name then return end
  if name == "" or #name > 64 or find(name, "[^%w._-]") then
    name = '"' .. gsub(sub(name, 1, 64), "[^%w._ -]", "?") .. '"'
  end
  fail(path .. name, "is not a field of an envelope")
end

local MEDIA = { "kind", "url", "data", "media_type", "filename", "size_bytes", "width", "height", "duration",
  "thumbnail_url", "caption", "fallback_text" }
local MEDIA_INTEGERS = { size_bytes = 1, width = 1, height = 1, duration = 1 }

-- read_media, read_opts and read look at types and names.
local function read_media(p)
  if not is_object(p) then return fail("payload", "must be an object") end
  local names = {}
  for _, name in ipairs(MEDIA) do names[name] = 1 end
  local unknown = known(p, names)
  for _, name in ipairs(MEDIA) do
    local v = p[name]
    if name == "kind" then
      text(p, "payload.", name)
    elseif MEDIA_INTEGERS[name] then
      positive(p, "payload.", name)
    elseif v ~= nil and type(v) ~= "string" then
      fail("payload." .. name, "must be a string")
    elseif v == "" then
      p[name] = nil
    end
  end
  refuse_unknown("payload.", unknown)
end

local function read_opts(o)
  if not is_object(o) then return fail("opts", "must be an object") end
  local unknown = known(o, { format = 1, reply_to = 1, thread_id = 1, silent = 1, media_policy = 1, metadata = 1 })
  text(o, "opts.", "format")
  text(o, "opts.", "reply_to", DIGITS)
  text(o, "opts.", "thread_id", DIGITS)
  if o.silent ~= nil and type(o.silent) ~= "boolean" then fail("opts.silent", "must be true or false") end
  text(o, "opts.", "media_policy")
  refuse_unknown("opts.", unknown)
end

local INTEGERS = { "max_attempts", "base_backoff_ms", "max_backoff_ms", "expires_at_ms" }

local function read(e)
  local unknown = known(e, { operation = 1, bridge_id = 1, external_room_id = 1, channel = 1, payload = 1,
    external_message_id = 1, opts = 1, idempotency_key = 1, priority = 1, max_attempts = 1, base_backoff_ms = 1,
    max_backoff_ms = 1, expires_at_ms = 1, session_key = 1, route_resolution = 1, correlation_id = 1, traceparent = 1 })
  local op = e.operation
  text(e, "", "operation")
  text(e, "", "bridge_id")
  text(e, "", "external_room_id", DIGITS)
  text(e, "", "channel")
  if op == "send" or op == "edit" then
    text(e, "", "payload")
  elseif (op == "send_media" or op == "edit_media") and e.payload ~= nil then
    read_media(e.payload)
  end
  text(e, "", "external_message_id", DIGITS)
  if e.opts ~= nil then read_opts(e.opts) end
  text(e, "", "idempotency_key")
  text(e, "", "priority")
  for _, name in ipairs(INTEGERS) do positive(e, "", name) end
  text(e, "", "correlation_id")
  text(e, "", "traceparent")
  refuse_unknown("", unknown)
end

local function printable(o, name, most)
  local v = o[name]
  if v == nil then return end
  if #v > most then fail(name, "must be at most " .. most .. " bytes") end
  if find(v, "[%z\1-\31\127]") or find(v, "\194[\128-\159]") then fail(name, "must not have control characters") end
end

local function at_most(o, path, name)
  if o[name] and o[name] > 9007199254740991 then fail(path .. name, "must be at most 9007199254740991") end
end

local function one_of(v, name, words)
  if v ~= nil and (has(v, " ") or not find(" " .. words .. " ", " " .. v .. " ", 1, true)) then
    fail(name, "must be one of " .. words)
  end
end

-- escaped is true where every % has its two digits.
local function escaped(s)
  return not has(s, "%") or not (find(s .. " ", "%%%X") or find(s .. " ", "%%%x%X"))
end

local function is_ipv6(s)
  local function groups(part)
    local n = 0
    if part == "" then return n end
    for group in string.gmatch(part .. ":", "([^:]*):") do
      n = n + (find(group, "^%x%x?%x?%x?$") and 1 or 9)
    end
    return n
  end
  local left, right = match(s, "^(.-)::(.*)$")
  if left then return groups(left) + groups(right) < 8 end
  return groups(s) == 8
end

-- is_web_url takes what Go's url.Parse takes, of http and https and with a host.
local function is_web_url(s)
  local front, fragment = match(s, "^([^#]*)#?(.*)$")
  local authority, path = match(front, "^[hH][tT][tT][pP][sS]?://([^/?]*)([^?]*)")
  if not authority or find(front, "[%z\1-\31\127]") or not (escaped(path) and escaped(fragment)) then return false end
  local user, host = match(authority, "^(.*)@([^@]*)$")
  if user and (find(user, "[^%w._:~!$&'()*+,;=%%@-]") or not escaped(user)) then return false end
  host = host or authority
  if sub(host, 1, 1) == "[" then
    local address, port = match(host, "^%[([^%[%]]*)%](.*)$")
    return address ~= nil and is_ipv6(address) and (port == "" or find(port, "^:%d*$") ~= nil)
  end
  local name, port = match(host, "^([^:]*)(.*)$")
  return name ~= "" and (port == "" or find(port, "^:%d*$") ~= nil)
    and not find(name, "[^%w%]!\"$&'()*+,.;<=>_~%%\128-\255-]")
    and escaped(name) and not find(gsub(name, "%%25", ""), "%%[0-7]")
end

-- carried is an object that is passed on untouched.
local function carried(o, path, name)
  if o[name] ~= nil and not is_object(o[name]) then fail(path .. name, "must be an object") end
end

-- check_media and check look at values.
local function check_media(p)
  if p.kind == nil then fail("payload.kind", "is required") end
  one_of(p.kind, "payload.kind", "image audio video file")
  if not p.url and not p.data then fail("payload.url", "is required where there is no data") end
  if p.url and p.data then fail("payload.data", "must not be there beside url") end
  if p.url and not is_web_url(p.url) then fail("payload.url", "must be an absolute http or https URL") end
  if p.data and (#p.data % 4 ~= 0 or not find(p.data, "^[a-zA-Z0-9+/]*=?=?$")) then
    fail("payload.data", "must be base64 (standard alphabet, padded, no line breaks)")
  end
  at_most(p, "payload.", "size_bytes")
  at_most(p, "payload.", "width")
  at_most(p, "payload.", "height")
  at_most(p, "payload.", "duration")
  if p.thumbnail_url and not is_web_url(p.thumbnail_url) then
    fail("payload.thumbnail_url", "must be an absolute http or https URL")
  end
end

local function check(e)
  local op = e.operation
  local edit, media = op == "edit" or op == "edit_media", op == "send_media" or op == "edit_media"
  if op == nil then fail("operation", "is required") end
  one_of(op, "operation", "send edit send_media edit_media")
  if e.bridge_id == nil then fail("bridge_id", "is required") end
  if e.bridge_id and (#e.bridge_id > 128 or find(e.bridge_id, "[^%w._-]")) then
    fail("bridge_id", "must be 1 to 128 of A-Z a-z 0-9 . _ -")
  end
  if e.external_room_id == nil then fail("external_room_id", "is required") end
  printable(e, "external_room_id", 512)
  if e.payload == nil then fail("payload", "is required") elseif media then check_media(e.payload) end
  if edit and e.external_message_id == nil then fail("external_message_id", "is required to edit") end
  if not edit and e.external_message_id ~= nil then fail("external_message_id", "is for edits only") end
  if e.opts then
    one_of(e.opts.format, "opts.format", "plain markdown html")
    one_of(e.opts.media_policy, "opts.media_policy", "reject fallback_text")
    carried(e.opts, "opts.", "metadata")
  end
  printable(e, "idempotency_key", 255)
  one_of(e.priority, "priority", "critical high normal low")
  at_most(e, "", "max_attempts")
  at_most(e, "", "base_backoff_ms")
  at_most(e, "", "max_backoff_ms")
  if e.base_backoff_ms and e.max_backoff_ms and e.base_backoff_ms > e.max_backoff_ms then
    fail("max_backoff_ms", "must not be less than base_backoff_ms")
  end
  at_most(e, "", "expires_at_ms")
  carried(e, "", "session_key")
  carried(e, "", "route_resolution")
  printable(e, "correlation_id", 256)
  local t = e.traceparent
  if t and not (#t == 55 and find(t, "^00%-[0-9a-f]+%-[0-9a-f]+%-[0-9a-f][0-9a-f]$") and sub(t, 36, 36) == "-") then
    fail("traceparent", "must be 00-<32 hex>-<16 hex>-<2 hex> in lower case")
  end
end

-- decode answers the envelope, or nothing where there is a fault.
local function decode(json)
  if not valid_utf8(json) then return fail("(envelope)", "is not valid UTF-8") end
  local ok, e = pcall(cjson.decode, json)
  local rest = ok and outside(json)
  if not ok or e == nil or lax(rest) or not cjson.null and (half_pair(json) or deep(rest)) then
    return fail("(envelope)", "is not JSON")
  end
  if not find(json, "^%s*{") then return fail("(envelope)", "must be an object") end
  shaped(e, json, rest)
  read(e)
  if not fault then check(e) end
  return e
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

local NOT_READY = "OUTGATE_NOT_READY no gateway has configured this Redis yet"
local function enter(namespace, index)
  tag = string.format("{%s-%03d}", namespace, index)
  og, aq = "outgate:" .. tag .. ":", "asynq:" .. tag .. ":"
end

-- place answers the partition and the line of an envelope; or nil and what is to be
-- said of one that belongs elsewhere. Where the caller left the partition to the script, it
-- goes there.
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

-- turned_away is the refusal of what never came to admission. It is counted as any
-- other, where the caller named the partition.
local function turned_away(code, text, priority, scheme)
  if not scheme then refused(priority or "unknown", code, text) end
  return nil, code .. " " .. text
end

-- accept admits one envelope and answers its receipt, its id and, of a duplicate that
-- is settled, true; or nil and the refusal.
local function accept(json)
  fault = nil
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
