-- share: what reserve and close know of shares: how much of its limits a bridge or a room uses,
-- in thousandths, after its provider refused some sends at the full rate.
--
-- A share is kept as "<share> <since> <from>": since when it is as small, and from
-- when on it grows back, which is the end of the closure that came with it.

-- SLACK is how much longer than their use keys are kept, so that the two clocks of a
-- script, TIME and expiry's, may differ.
local SLACK = 1000

local FULL, LEAST = 1000, 20

-- GROW is in how many milliseconds a share grows by one thousandth.
local GROW = 400

local function integer(n) return string.format('%d', n) end

-- share_of reads a share as it is now, since when, and from when on it grows.
local function share_of(value, now)
  if not value then return FULL, 0, 0 end
  local share, since, from = string.match(value, '^(%d+) (%d+) (%d+)$')
  from = tonumber(from)
  local grown = math.floor(math.max(now - from, 0) / GROW)
  return math.min(tonumber(share) + grown, FULL), tonumber(since), from
end

