-- Strike a member off. KEYS: index    ARGV: member
redis.call('ZREM', KEYS[1], ARGV[1])
return 'ok'
