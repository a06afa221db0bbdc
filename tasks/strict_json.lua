-- strict_json: JSON as Go's decoder takes it. cjson takes more: numbers such as 01,
-- bytes that are no UTF-8, control characters in strings.
-- @include strings.lua

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

-- parse answers the object that the JSON is, or nil and what is wrong with it.
local function parse(json)
  if not valid_utf8(json) then return nil, "is not valid UTF-8" end
  local ok, e = pcall(cjson.decode, json)
  local rest = ok and outside(json)
  if not ok or e == nil or lax(rest) or not cjson.null and (half_pair(json) or deep(rest)) then
    return nil, "is not JSON"
  end
  if not find(json, "^%s*{") then return nil, "must be an object" end
  shaped(e, json, rest)
  return e
end
