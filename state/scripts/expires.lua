-- Milliseconds that a record has left to live; -2 where there is none. KEYS: record
return redis.call('PTTL', KEYS[1])
