-- Count tokens against a day, unless that passes the limit.
-- KEYS: reserved    ARGV: tokens, limit, time to live in ms
-- Returns 1, or 0 with nothing counted.
local held = tonumber(redis.call('GET', KEYS[1]) or '0')
if held + tonumber(ARGV[1]) > tonumber(ARGV[2]) then
  return 0
end
redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
