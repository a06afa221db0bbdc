-- announce: write the scheme of this Redis, once, and how to enqueue.
--
-- KEYS[1]  outgate:api
-- ARGV     partitions, namespace, hash, hash key, SHA-1 of the enqueue script, its text
-- Replies  {} or, where the Redis has another scheme, that one's four values
local v = redis.call("HMGET", KEYS[1], "partitions", "namespace", "hash", "hash_key")
if v[1] and (v[1] ~= ARGV[1] or v[2] ~= ARGV[2] or v[3] ~= ARGV[3] or v[4] ~= ARGV[4]) then return v end
redis.call("HSET", KEYS[1], "version", "1", "partitions", ARGV[1], "namespace", ARGV[2], "hash", ARGV[3],
  "hash_key", ARGV[4], "enqueue", ARGV[5], "enqueue_source", ARGV[6])
return {}
