-- A paid result. KEYS: record, paid    ARGV: tenant, name
if redis.call('HGET', KEYS[1], 'tenant') ~= ARGV[1] then return false end
return redis.call('HGET', KEYS[2], ARGV[2])
