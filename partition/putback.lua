-- putback: a worker that stops gives back what it took and did not begin.
--
-- KEYS[1]  the partition's hash tag
-- ARGV     for each task its id and its token or ""
-- @include clock.lua
-- @include queue.lua
local us = now_us()
for i = #ARGV - 1, 1, -2 do
  local id, token = ARGV[i], ARGV[i + 1]
  local t = aq .. "t:" .. id
  local v = redis.call("HMGET", t, "state", "og_flight")
  if v[1] == "active" and (v[2] or "") == token then
    if token ~= "" then redis.call("HDEL", t, "og_flight", "og_try") end
    leave(id, "active")
    -- Not by run: what was run by hand has still to ask begin.
    redis.call("HSET", t, "state", "pending", "pending_since", int(us) .. "000")
    redis.call("RPUSH", aq .. "pending", id)
  end
end
return 1
