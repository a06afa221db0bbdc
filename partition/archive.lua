-- varint and field write protobuf, the encoding of asynq's task message.
local function varint(n)
  local out = {}
  repeat
    local b = n % 128
    n = (n - b) / 128
    if n > 0 then b = b + 128 end
    out[#out + 1] = string.char(b)
  until n == 0
  return table.concat(out)
end
local function field(number, s) return varint(number * 8 + 2) .. varint(#s) .. s end

-- archive puts a task among asynq's dead: error_msg (7) and last_failed_at (11)
-- are appended to its message, where the last value of a field counts. asynq
-- keeps 10,000 a queue; so do we, and drop the task with its id, but for a held
-- head: its line waits for it.
local function archive(id, text, seconds)
  local t = aq .. "t:" .. id
  local msg = redis.call("HGET", t, "msg") .. field(7, text) .. varint(88) .. varint(seconds)
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
