-- clock: Redis' time.

-- now_us is the time in microseconds.
local function now_us()
  local t = redis.call("TIME")
  return t[1] * 1000000 + t[2]
end

-- int writes a number without an exponent.
local function int(n) return string.format("%.0f", n) end
