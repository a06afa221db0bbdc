-- heads: what the attempts of some heads failed with. asynq keeps it in the task's
-- message, behind a payload that may be long: it is read here, and only it is sent.
--
-- KEYS[1]  the partition's hash tag
-- ARGV     ids
-- Replies  for each the text, "" for none, at most 300 bytes of it
local out = {}
for i, id in ipairs(ARGV) do
  local msg = redis.call("HGET", "asynq:" .. KEYS[1] .. ":t:" .. id, "msg") or ""
  local at, text = 1, ""
  local function varint()
    local n, unit = 0, 1
    while true do
      local b = string.byte(msg, at)
      if not b then return n end
      at = at + 1
      n = n + (b % 128) * unit
      if b < 128 then return n end
      unit = unit * 128
    end
  end
  while at <= #msg do
    local tag = varint()
    local kind, n = tag % 8, varint()
    if kind == 2 then
      if tag == 58 then text = string.sub(msg, at, at + math.min(n, 300) - 1) end
      at = at + n
    elseif kind ~= 0 then
      break
    end
  end
  out[i] = text
end
return out
