-- Take a record over: raise its epoch, so that every commit under an older one is refused.
-- KEYS: record, outcomes
-- ARGV: tenant, owner, the former owner whose lease is known to have ended or '', newest schema that can be read,
--       the epoch that was seen before or ''
-- Returns nothing if this tenant has no such record; {'held', owner} if another owner may still hold it;
-- {'newer', schema} if it cannot be read; {'seen', epoch} if it has another epoch than the one that was seen, so that a
-- claim that arrives late, or twice, takes nothing from anybody; each with nothing changed.
-- Else {'ok', epoch, version, state, documents, {key, outcome, ...}}.
local held = redis.call('HMGET', KEYS[1], 'tenant', 'owner', 'schema', 'epoch')
if held[1] ~= ARGV[1] then return false end
if held[3] and tonumber(held[3]) > tonumber(ARGV[4]) then return {'newer', held[3]} end
local former = held[2] or ''
if former ~= '' and former ~= ARGV[2] and former ~= ARGV[3] then return {'held', former} end
if held[4] ~= ARGV[5] then return {'seen', held[4]} end
redis.call('HINCRBY', KEYS[1], 'epoch', 1)
redis.call('HSET', KEYS[1], 'owner', ARGV[2])
local record = redis.call('HMGET', KEYS[1], 'epoch', 'version', 'state', 'documents')
return {'ok', record[1], record[2], record[3], record[4], redis.call('HGETALL', KEYS[2])}
