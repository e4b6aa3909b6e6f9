-- Commit one step of a record, whole or not at all.
-- KEYS: record, outcomes, log, calls, paid, receipt of an erasure
-- ARGV: epoch, owner, version before, version after, time to live in ms, schema, tenant, documents, state,
--       entry or '', prefix of the paid results that this step makes useless or '', idempotency key or '', outcome,
--       then the keys whose outcomes are forgotten
-- Returns 'ok', or why nothing was written: 'exists', 'erased', 'gone', 'fenced', 'stale'.
local epoch, owner, before, after, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local held = redis.call('HMGET', KEYS[1], 'epoch', 'version', 'owner')
if before == '0' then
  if held[1] then return 'exists' end
  if redis.call('EXISTS', KEYS[6]) == 1 then return 'erased' end
  redis.call('DEL', unpack(KEYS))
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'owner', owner, 'tenant', ARGV[7], 'documents', ARGV[8])
elseif not held[1] then
  return 'gone'
elseif held[1] ~= epoch or (held[3] or '') ~= owner then
  return 'fenced'
elseif held[2] ~= before then
  return 'stale'
end
redis.call('HSET', KEYS[1], 'version', after, 'schema', ARGV[6], 'state', ARGV[9])
if ARGV[10] ~= '' then
  redis.call('XADD', KEYS[3], after .. '-0', 'entry', ARGV[10])
end
if ARGV[11] ~= '' then
  for _, name in ipairs(redis.call('HKEYS', KEYS[5])) do
    if string.sub(name, 1, #ARGV[11]) == ARGV[11] then redis.call('HDEL', KEYS[5], name) end
  end
end
for n = 14, #ARGV do
  redis.call('HDEL', KEYS[2], ARGV[n])
end
if ARGV[12] ~= '' then
  redis.call('HSET', KEYS[2], ARGV[12], ARGV[13])
end
for _, key in ipairs(KEYS) do
  redis.call('PEXPIRE', key, ttl)
end
return 'ok'
