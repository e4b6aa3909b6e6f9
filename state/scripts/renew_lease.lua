-- Hold a lease for another while.
-- KEYS: lease, wanted    ARGV: time to live in ms, '1' to begin the lease anew where it has ended
-- Returns {1 if the lease is held now, else 0; record ids that others want}.
local ended = redis.call('EXISTS', KEYS[1]) == 0
if ended and ARGV[2] ~= '1' then return {0, {}} end
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
local wanted = redis.call('SMEMBERS', KEYS[2])
redis.call('DEL', KEYS[2])
return {1, wanted}
