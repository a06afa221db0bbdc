-- protobuf_write: the encoding of asynq's task message. A field that is written again
-- replaces the earlier one, so whoever changes a message appends to it.

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

-- field writes a string. The key of an integer is varint(number * 8).
local function field(number, s) return varint(number * 8 + 2) .. varint(#s) .. s end
