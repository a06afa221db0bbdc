-- errors: what the last attempts of some envelopes failed with. asynq keeps it in the
-- task's message, behind a payload that may be long: it is read here, and only it is
-- sent.
--
-- KEYS[1]  the partition's hash tag
-- ARGV     how many bytes of a text are wanted at most, ids
-- Replies  for each id the text, "" for none
-- @include keys.lua
-- @include protobuf_read.lua
local out = {}
for i = 2, #ARGV do
  local msg = redis.call("HGET", aq .. "t:" .. ARGV[i], "msg")
  out[i - 1] = msg and string_field(msg, 7, tonumber(ARGV[1])) or ""
end
return out
