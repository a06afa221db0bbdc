-- message: asynq's task message of an envelope, as it is admitted.
-- @include protobuf_write.lua

-- LOCK is the field of the name of a task's lock.
local LOCK = 10

-- message_of writes type (1), payload (2), id (3), queue (4), retry (5) and timeout (8).
-- The queue comes with its length before it. asynq never gives up by itself, for the
-- gateway counts attempts: so retry is 1,000,000; timeout is 1,800 seconds, which
-- asynq.Client writes if none is given.
local function message_of(operation, payload, id, queue)
  return "\10" .. string.char(#operation + 8) .. "outgate:" .. operation .. "\18" .. varint(#payload) .. payload
    .. "\26\20" .. id .. "\34" .. queue .. "\40\192\132\61\64\136\14"
end

-- header is one entry of the headers (15).
local function header(key, value) return field(15, field(1, key) .. field(2, value)) end
