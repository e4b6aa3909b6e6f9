-- The oldest flushes with their places.
-- KEYS: flushes    ARGV: at most
return redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[1])
