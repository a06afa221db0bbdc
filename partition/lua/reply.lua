-- reply: what producers hear that enqueue through a stream.
-- @include keys.lua

-- REPLIES_TTL is how long a list of replies is kept at least after its last entry,
-- in ms, and REPLIES how many of the latest entries it holds.
local REPLIES_TTL, REPLIES = 600000, 1000

-- reply adds an entry to a producer's list; kept is how long its outcome is, in ms.
local function reply(to, ref, what, kept)
  local list = "outgate:reply:" .. tag .. ":" .. to
  redis.call("RPUSH", list, '{"ref":' .. ref .. "," .. what .. "}")
  redis.call("LTRIM", list, -REPLIES, -1)
  redis.call("PEXPIRE", list, math.max(tonumber(kept), REPLIES_TTL))
end

-- reply_all adds an outcome to the lists of all who wait for it: waiting has a line
-- for each, of a name and a ref in JSON.
local function reply_all(waiting, outcome, kept)
  for to, ref in string.gmatch(waiting, "(%S+) ([^\n]+)") do
    reply(to, ref, '"outcome":' .. outcome, kept)
  end
end
