-- Commit one step of a record, whole or not at all.
-- KEYS: record, outcomes, log
-- ARGV: epoch, version before, version after, state, documents or '', entry or '',
--       idempotency key or '', outcome or '' to forget the key, time to live in ms
-- Returns 'ok', or why nothing was written: 'exists', 'gone', 'fenced', 'stale'.
local epoch, before, after, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[9]
local held = redis.call('HMGET', KEYS[1], 'epoch', 'version')
if before == '0' then
  if held[1] then return 'exists' end
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'documents', ARGV[5])
elseif not held[1] then
  return 'gone'
elseif held[1] ~= epoch then
  return 'fenced'
elseif held[2] ~= before then
  return 'stale'
end
redis.call('HSET', KEYS[1], 'version', after, 'state', ARGV[4])
if ARGV[6] ~= '' then
  redis.call('XADD', KEYS[3], after .. '-0', 'entry', ARGV[6])
end
if ARGV[7] ~= '' then
  if ARGV[8] ~= '' then
    redis.call('HSET', KEYS[2], ARGV[7], ARGV[8])
  else
    redis.call('HDEL', KEYS[2], ARGV[7])
  end
end
for _, key in ipairs(KEYS) do
  redis.call('PEXPIRE', key, ttl)
end
return 'ok'
