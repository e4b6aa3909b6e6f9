-- Flushes that are in their buckets.
-- KEYS: flushes    ARGV: their places
return redis.call('XDEL', KEYS[1], unpack(ARGV))
