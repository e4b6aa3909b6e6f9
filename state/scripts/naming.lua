-- Which buckets hold a name. KEYS: buckets    ARGV: name
-- Returns their places among the keys, from 1. A record that only seems to hold it costs its reader a look.
local found = {}
for n, key in ipairs(KEYS) do
  local record = redis.call('HGET', key, 'record')
  if record and string.find(record, ARGV[1], 1, true) then found[#found + 1] = n end
end
return found
