-- Take a record over: raise its epoch, so that every commit under an older one is refused.
-- KEYS: record, outcomes    ARGV: owner
-- Returns nothing if there is no such record, else {epoch, version, state, documents, {key, outcome, ...}}.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return false
end
local epoch = redis.call('HINCRBY', KEYS[1], 'epoch', 1)
redis.call('HSET', KEYS[1], 'owner', ARGV[1])
local record = redis.call('HMGET', KEYS[1], 'version', 'state', 'documents')
return {tostring(epoch), record[1], record[2], record[3], redis.call('HGETALL', KEYS[2])}
