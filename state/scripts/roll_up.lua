-- Keep an hour's bucket that was made of its minutes, unless one of them has changed since.
-- KEYS: bucket, hours to roll up    ARGV: hour, its count that was seen before the minutes were read, record or '' to
-- keep what is there, expiry in Unix ms
-- Returns 1, or 0 with nothing changed.
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[2], ARGV[1])
if ARGV[3] ~= '' then
  redis.call('HINCRBY', KEYS[1], 'version', 1)
  redis.call('HSET', KEYS[1], 'record', ARGV[3])
  redis.call('PEXPIREAT', KEYS[1], ARGV[4])
end
return 1
