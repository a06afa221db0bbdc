-- message: asynq's task message of an envelope, as it is admitted.
-- @include protobuf_write.lua

-- message_tail is what follows the id: the queue (4), retry (5) and timeout (8). asynq
-- never gives up by itself, for the gateway counts attempts: so retry is 1,000,000;
-- timeout is 1,800 seconds, which asynq.Client writes if none is given.
local function message_tail(queue)
  return "\34" .. string.char(#queue) .. queue .. "\40\192\132\61\64\136\14"
end

-- message_of writes type (1), payload (2), id (3) and the tail.
local function message_of(operation, payload, id, tail)
  return "\10" .. string.char(#operation + 8) .. "outgate:" .. operation .. "\18" .. varint(#payload) .. payload
    .. "\26\20" .. id .. tail
end

-- header is one entry of the headers (15).
local function header(key, value) return field(15, field(1, key) .. field(2, value)) end

-- message_key is what follows if there is an idempotency key: the task's lock (10), and
-- headers that say what it holds.
local function message_key(lock, fingerprint, key)
  return field(10, lock) .. header("outgate-fingerprint", fingerprint) .. header("outgate-key", key)
end
