-- Keep a bucket that was made of the version before, and nothing where another has written it since.
-- KEYS: bucket, hours to roll up    ARGV: version before, record, expiry in Unix ms, hour to roll up again or ''
-- Returns 1, or 0 with nothing changed.
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[1] then return 0 end
redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('HSET', KEYS[1], 'record', ARGV[2])
redis.call('PEXPIREAT', KEYS[1], ARGV[3])
if ARGV[4] ~= '' then
  redis.call('HINCRBY', KEYS[2], ARGV[4], 1)
end
return 1
