-- Keep a paid result for as long as the record that it was made for, and nothing where there is no record (any more).
-- KEYS: record, paid    ARGV: tenant, name, result
if redis.call('HGET', KEYS[1], 'tenant') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS[2], redis.call('PTTL', KEYS[1]))
return 1
