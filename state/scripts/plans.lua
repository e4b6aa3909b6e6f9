-- A user's plans that live longest, after those that have expired are struck off.
-- KEYS: index    ARGV: now in Unix ms, most plans
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
return redis.call('ZREVRANGE', KEYS[1], 0, ARGV[2] - 1)
