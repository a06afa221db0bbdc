-- failure: the outcome of an envelope that a script settles as terminal. Its form is
-- that of tasks.NewFailure, whose test writes it here (go test ./tasks -update).
local FAILURE = '{"status":"error","type":"outbound_error","id":<id>,"category":"terminal","disposition":"terminal","operation":<operation>,"reason":<reason>,"provider":{},"attempt":0,"max_attempts":0,"partition":<partition>,"routing_key":<routing_key>,"retryable":false,"ambiguous":<ambiguous>}'

local function failure(e)
  return (string.gsub(FAILURE, "<([%l_]+)>", {
    id = cjson.encode(e.id), operation = cjson.encode(e.operation or ""), reason = cjson.encode(e.reason),
    partition = string.format("%d", e.partition), routing_key = cjson.encode(e.routing_key),
    ambiguous = e.ambiguous and "true" or "false",
  }))
end
