-- line: the name of the line of a room, or of a thread of it (Scheme.Line in Go).

-- line_of takes the thread's id, or anything but a string for none.
local function line_of(bridge, room, thread, hash_key)
  local line = bridge .. ":" .. room
  if hash_key == "thread" and type(thread) == "string" and thread ~= "" then line = line .. ":" .. thread end
  return line
end
