-- Erase a record with all that belongs to it, unless someone else has taken it over.
-- KEYS: record, outcomes, log, calls    ARGV: epoch
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then return 'gone' end
if epoch ~= ARGV[1] then return 'fenced' end
redis.call('DEL', unpack(KEYS))
return 'ok'
