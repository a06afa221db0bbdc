-- protobuf_read: fields of asynq's task message (see protobuf_write.lua).

-- read_varint answers a number that begins at a byte, and where the next field does.
local function read_varint(msg, at)
  local n, unit = 0, 1
  while true do
    local b = string.byte(msg, at)
    if not b then return n, at end
    at = at + 1
    n = n + (b % 128) * unit
    if b < 128 then return n, at end
    unit = unit * 128
  end
end

-- string_field is the last value of a string, at most this many bytes of it; nil if
-- there is none. It stops at what no field of the message looks like.
local function string_field(msg, number, most)
  local at, from, to = 1, nil, nil
  while at <= #msg do
    local key, n
    key, at = read_varint(msg, at)
    n, at = read_varint(msg, at)
    if key % 8 == 2 then
      if key == number * 8 + 2 then from, to = at, at + math.min(n, most or n) - 1 end
      at = at + n
    elseif key % 8 ~= 0 then
      break
    end
  end
  return from and string.sub(msg, from, to)
end
