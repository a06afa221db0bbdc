-- note keeps what became of an attempt, for whoever asks how an envelope fared: the
-- latest of them, as "<ms> <try> <what>;".
local STEPS = 512 -- bytes
local function note(t, ms, try, what)
  local steps = (redis.call("HGET", t, "og_steps") or "") .. int(ms) .. " " .. try .. " " .. what .. ";"
  while #steps > STEPS do steps = string.match(steps, ";(.*)$") end
  redis.call("HSET", t, "og_steps", steps)
end
