-- Replace a reservation by what was used; the day's count never falls below 0.
-- KEYS: reserved    ARGV: tokens used less tokens reserved, time to live in ms
if redis.call('INCRBY', KEYS[1], ARGV[1]) < 0 then
  redis.call('SET', KEYS[1], 0)
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 'ok'
