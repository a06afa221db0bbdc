-- strings: short names of what the checks of an envelope use all the time.
local find, gsub, sub, match = string.find, string.gsub, string.sub, string.match
local function has(s, plain) return find(s, plain, 1, true) end
