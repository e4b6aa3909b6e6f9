-- Take members whose time has come, each to come again later unless it is struck off.
-- KEYS: index    ARGV: now in Unix ms, again in Unix ms, most members
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, member in ipairs(due) do
  redis.call('ZADD', KEYS[1], ARGV[2], member)
end
return due
