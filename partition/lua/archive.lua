-- archive: asynq's archive of dead tasks.
-- @include queue.lua
-- @include protobuf_write.lua

-- archive puts a task there, with the text of its error (7) and when it failed last
-- (11). asynq keeps 10,000 tasks a queue, and so do we: the oldest are deleted with
-- their ids, except a held head, for which its line waits.
local function archive(id, text, seconds)
  local t = aq .. "t:" .. id
  local msg = redis.call("HGET", t, "msg") .. field(7, text) .. varint(11 * 8) .. varint(seconds)
  redis.call("HSET", t, "msg", msg, "state", "archived")
  redis.call("HDEL", t, "pending_since")
  redis.call("ZADD", aq .. "archived", seconds, id)
  local extra = redis.call("ZCARD", aq .. "archived") - 10000
  if extra > 0 then
    local old = redis.call("ZPOPMIN", aq .. "archived", math.min(extra, 100))
    for i = 1, #old, 2 do
      local task = aq .. "t:" .. old[i]
      if redis.call("HEXISTS", task, "og_held") == 0 then redis.call("DEL", task) end
    end
  end
end
