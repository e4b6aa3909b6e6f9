-- Entries of a record's log, oldest first. KEYS: log    ARGV: after which version, up to which version, most entries
local found = {}
for _, row in ipairs(redis.call('XRANGE', KEYS[1], '(' .. ARGV[1] .. '-0', ARGV[2] .. '-0', 'COUNT', ARGV[3])) do
  found[#found + 1] = row[2][2]
end
return found
