-- attempts: how the attempts of an envelope ended that were followed by others.
-- @include clock.lua

local MOST_BYTES = 512

-- note adds one to the latest of them, as "<ms> <try> <what>;".
local function note(t, ms, try, what)
  local ends = (redis.call("HGET", t, "og_steps") or "") .. int(ms) .. " " .. try .. " " .. what .. ";"
  while #ends > MOST_BYTES do ends = string.match(ends, ";(.*)$") end
  redis.call("HSET", t, "og_steps", ends)
end
