-- Keep a call of a session for as long as the session, and nothing where there is no session (any more).
-- KEYS: record, calls    ARGV: tenant, most calls kept, call
-- The calls are numbered from 1, so that the oldest one's number tells how many had to go.
if redis.call('HGET', KEYS[1], 'tenant') ~= ARGV[1] then
  return 0
end
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
local number = newest and tonumber(string.match(newest[1], '^%d+')) or 0
redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[2], string.format('%d-0', number + 1), 'call', ARGV[3])
redis.call('PEXPIRE', KEYS[2], redis.call('PTTL', KEYS[1]))
return 1
