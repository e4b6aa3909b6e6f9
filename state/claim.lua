-- Take a record over: raise its epoch, so that every commit under an older one is refused.
-- KEYS: record, outcomes    ARGV: tenant, owner
-- Returns nothing, and changes nothing, if this tenant has no such record;
-- else {epoch, version, state, documents, {key, outcome, ...}}.
if redis.call('HGET', KEYS[1], 'tenant') ~= ARGV[1] then
  return false
end
redis.call('HINCRBY', KEYS[1], 'epoch', 1)
redis.call('HSET', KEYS[1], 'owner', ARGV[2])
local record = redis.call('HMGET', KEYS[1], 'epoch', 'version', 'state', 'documents')
return {record[1], record[2], record[3], record[4], redis.call('HGETALL', KEYS[2])}
