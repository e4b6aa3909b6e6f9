-- Note until when a user's plan lives; the index lives as long as the last of them.
-- KEYS: index    ARGV: plan, its end in Unix ms, time to live in ms
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 'ok'
