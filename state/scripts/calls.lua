-- The oldest calls of a session that are kept, or nothing where this tenant has no such session.
-- KEYS: record, calls    ARGV: tenant, most calls
-- Returns {{id, {'call', call}}, ...}.
if redis.call('HGET', KEYS[1], 'tenant') ~= ARGV[1] then return false end
return redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', ARGV[2])
