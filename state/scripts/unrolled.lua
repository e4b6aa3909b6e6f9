-- Hours whose minutes have changed since they were rolled up, each with how often. KEYS: hours to roll up
return redis.call('HGETALL', KEYS[1])
