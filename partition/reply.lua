-- reply tells a producer of the stream road; a list holds the last thousand words.
local function reply(to, ref, what, kept)
  local list = "outgate:reply:" .. tag .. ":" .. to
  redis.call("RPUSH", list, '{"ref":' .. ref .. "," .. what .. "}")
  redis.call("LTRIM", list, -1000, -1)
  redis.call("PEXPIRE", list, kept)
end

-- reply_all tells an outcome to the producers that wait for it: lines of a name and a
-- ref in JSON.
local function reply_all(waiting, outcome, kept)
  for to, ref in string.gmatch(waiting, "(%S+) ([^\n]+)") do
    reply(to, ref, '"outcome":' .. outcome, kept)
  end
end
