-- envelope: an envelope as JSON, checked here as DecodeEnvelope checks it in Go. Both
-- refuse the same envelopes and name the same field: types and names are looked at
-- before values, each in the order of the contract. They differ if the same would
-- cost more than it is worth:
--
--   - JSON that cjson cannot decode is a fault of (envelope), where Go names the
--     field: half a surrogate pair, and more than 1,000 levels of nesting.
--   - In the name of an unknown field, whatever is no letter, digit, dot, dash,
--     underscore or blank is shown as a question mark.
--   - An IPv6 address in a URL is taken in its plain form alone: no zone, no IPv4
--     address inside.
--   - The embedded Redis decodes as Go does, so there an unknown field that is null
--     is not seen, and a number beyond all doubles is no JSON.
-- @include clock.lua
-- @include strict_json.lua
-- @include envelope_types.lua

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

-- check_media is for a media payload, check is for the whole.
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

-- decode answers the envelope; if it has a fault, fault says which.
local function decode(json)
  fault = nil
  local e, why = parse(json)
  if not e then return fail("(envelope)", why) end
  read(e)
  if not fault then check(e) end
  return e
end

-- fingerprint is that of Envelope.Fingerprint in Go.
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
