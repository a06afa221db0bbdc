-- release: give back the lease that one sweeper of a partition holds at a time.
--
-- KEYS[1]  the lease
-- ARGV     owner
-- Replies  1 if the owner held it
if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call("DEL", KEYS[1])
