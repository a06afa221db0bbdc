-- share: how much of its limits a bridge or a room uses, in thousandths, after its provider
-- refused some sends at the full rate. Used by reserve and close.
--
-- A share is kept as "<share> <since> <from>": `since` is when it was cut, and `from` is when
-- it begins to grow back, which is the end of the closure that came with the cut.

-- SLACK is how much longer than needed keys are kept: the two clocks of a script, TIME
-- and that of expiry, may differ.
local SLACK = 1000

local FULL, LEAST = 1000, 20

-- GROW is the number of milliseconds in which a share grows by one thousandth.
local GROW = 400

local function integer(n) return string.format('%d', n) end

-- share_of returns the present share, when it was cut, and when it begins to grow.
local function share_of(value, now)
  if not value then return FULL, 0, 0 end
  local share, since, from = string.match(value, '^(%d+) (%d+) (%d+)$')
  from = tonumber(from)
  local grown = math.floor(math.max(now - from, 0) / GROW)
  return math.min(tonumber(share) + grown, FULL), tonumber(since), from
end

