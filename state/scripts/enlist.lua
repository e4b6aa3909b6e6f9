-- Note when a session is to be looked after; a time noted before is replaced. KEYS: index    ARGV: due in Unix ms, member
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
return 'ok'
