-- Add a call to the totals of its tenant's day.
-- KEYS: totals    ARGV: time to live in ms, most fields, row, row for what has no room, then counter, amount, ...
local row = ARGV[3]
if redis.call('HEXISTS', KEYS[1], row .. 'calls') == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[2]) then
  row = ARGV[4]
end
for n = 5, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[1], row .. ARGV[n], ARGV[n + 1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 'ok'
