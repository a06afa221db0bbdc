-- lease: take, keep or give back a lease that one owner holds at a time.
--
-- KEYS[1]  the lease
-- ARGV     owner, ttl in ms (0 gives it back)
-- Replies  1 if the owner holds it
local holder = redis.call("GET", KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if ARGV[2] == "0" then
  redis.call("DEL", KEYS[1])
  return 0
end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
return 1
