-- Put flushes where the monitor finds them, in places that are counted on; of too many the oldest go.
-- KEYS: flushes    ARGV: most kept, time to live in ms, then the flushes, oldest first
for n = 3, #ARGV do
  redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[1], '1-*', 'flush', ARGV[n])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 'ok'
