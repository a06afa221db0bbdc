-- keys: the names of a partition's keys. KEYS[1] is its hash tag, {outbound-007};
-- every other key of a call derives from it.
local tag = KEYS[1]
local og, aq = "outgate:" .. tag .. ":", "asynq:" .. tag .. ":"

-- NEVER is when a parked task is due: asynq shows it as scheduled for the year 9999.
local NEVER = "253402300799"
