-- route: the partition and the line of an envelope (Scheme.RouteThread in Go).
-- @include line.lua

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
  local line = line_of(e.bridge_id, e.external_room_id, e.opts and e.opts.thread_id, hash_key)
  local key = hash_key == "bridge" and e.bridge_id or line
  local h = hash == "fnv1a" and fnv1a(key) or tonumber(string.sub(redis.sha1hex(key), 1, 8), 16)
  return h % partitions, line
end
