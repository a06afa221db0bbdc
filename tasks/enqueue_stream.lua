-- The road of producers that may do no more than XADD: their envelopes wait in the
-- partition's stream until a worker calls this, which admits them in their order and
-- takes them off, in one step. So it does not matter who calls, or how many do.
--
-- ARGV     "stream/1", how many, how long a list of replies is kept, in ms
-- Replies  how many were taken off
--
-- An entry has the fields envelope (JSON) and, for one that wants to hear of it,
-- reply_to and ref. Replies go to the list outgate:reply:{outbound-007}:<reply_to>, each
-- as JSON: {"ref":…,"receipt":…} or {"ref":…,"refused":{"code":…,"text":…}}, and once it
-- is settled {"ref":…,"outcome":…}. Without a ref it is the entry's id.
local stream, kept = "outgate:in:" .. tag, ARGV[3]
local entries = redis.call("XRANGE", stream, "-", "+", "COUNT", ARGV[2])

local function fields(list)
  local f = {}
  for i = 1, #list, 2 do f[list[i]] = list[i + 1] end
  return f
end

for _, entry in ipairs(entries) do
  local f = fields(entry[2])
  local receipt, id, settled = accept(f.envelope or "")
  local to, ref = f.reply_to, f.ref or entry[1]
  if to and to ~= "" and #to <= 128 and not find(to, "[^%w._:-]") and #ref <= 255 and valid_utf8(ref) then
    if not receipt then
      local code, text = match(id, "^(%S+) ?(.*)$")
      reply(to, cjson.encode(ref), '"refused":{"code":"' .. code .. '","text":' .. cjson.encode(text) .. "}", kept)
    else
      reply(to, cjson.encode(ref), '"receipt":' .. receipt, kept)
      if not settled then
        local t = aq .. "t:" .. id
        local others = redis.call("HGET", t, "og_reply")
        redis.call("HSET", t, "og_reply", (others and others .. "\n" or "") .. to .. " " .. cjson.encode(ref))
      end
    end
  end
  redis.call("XDEL", stream, entry[1])
end
-- An empty stream keeps the last id it was given. A producer could give it the last
-- one there is, and nobody could add anything more.
if #entries > 0 and redis.call("XLEN", stream) == 0 then redis.call("DEL", stream) end
return #entries
