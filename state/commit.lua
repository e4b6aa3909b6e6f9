-- Commit one step of a record, whole or not at all.
-- KEYS: record, outcomes, log
-- ARGV: epoch, version before, version after, time to live in ms, tenant, documents, state, entry or '',
--       idempotency key or '', outcome, then the keys whose outcomes are forgotten
-- Returns 'ok', or why nothing was written: 'exists', 'gone', 'fenced', 'stale'.
local epoch, before, after, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local held = redis.call('HMGET', KEYS[1], 'epoch', 'version')
if before == '0' then
  if held[1] then return 'exists' end
  redis.call('DEL', KEYS[2], KEYS[3])
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'tenant', ARGV[5], 'documents', ARGV[6])
elseif not held[1] then
  return 'gone'
elseif held[1] ~= epoch then
  return 'fenced'
elseif held[2] ~= before then
  return 'stale'
end
redis.call('HSET', KEYS[1], 'version', after, 'state', ARGV[7])
if ARGV[8] ~= '' then
  redis.call('XADD', KEYS[3], after .. '-0', 'entry', ARGV[8])
end
for n = 11, #ARGV do
  redis.call('HDEL', KEYS[2], ARGV[n])
end
if ARGV[9] ~= '' then
  redis.call('HSET', KEYS[2], ARGV[9], ARGV[10])
end
for _, key in ipairs(KEYS) do
  redis.call('PEXPIRE', key, ttl)
end
return 'ok'
