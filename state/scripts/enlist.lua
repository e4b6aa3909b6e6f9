-- Note when a session is to be looked after; a time noted before is replaced, or kept where that is asked for and it is sooner.
-- KEYS: index    ARGV: due in Unix ms, member, 'sooner' to keep a sooner time
if ARGV[3] == 'sooner' then
  redis.call('ZADD', KEYS[1], 'LT', ARGV[1], ARGV[2])
else
  redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
end
return 'ok'
