-- superseded: does a later edit of the same message wait behind this one?
--
-- KEYS[1]  the partition's hash tag
-- ARGV     id of the edit, its line, the message that it edits
-- Replies  the id of the last such edit, or ""
--
-- No other operation on the message stands between the two (enqueue.lua).
-- @include keys.lua
local id, line, message = ARGV[1], ARGV[2], ARGV[3]
local run = redis.call("HGET", og .. "edits:" .. line, message)
if not run then return "" end
local first, last = string.match(run, "^(%S+) (%S+)$")
if id < first or id >= last then return "" end
-- Not where somebody deleted it by hand: then this one is the last there is.
if not redis.call("ZSCORE", aq .. "scheduled", last) then return "" end
return last
