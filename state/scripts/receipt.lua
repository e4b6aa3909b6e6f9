-- What was left of an erased record. KEYS: receipt
return redis.call('GET', KEYS[1])
