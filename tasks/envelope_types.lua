-- envelope_types: the first half of the checks of an envelope: types and names.
-- @include strings.lua

-- fault is the first fault found, and fail notes one.
local fault
local function fail(name, why) fault = fault or name .. ": " .. why end

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

-- read_media and read_opts are for payload and opts, read is for the whole.
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
