-- relax: the pressure level after something left the partition.
-- @include pressure.lua

-- relax lets the level follow a depth that may have fallen.
local function relax()
  local c = conf()
  if not c then return end
  local n = depth()
  set_level(c, n, c.level, level_for(c, n, c.level))
end
