-- Erase a record with all that belongs to it, unless someone else has taken it over, and leave the receipt.
-- KEYS: receipt, record, then the record's other parts
-- ARGV: epoch, owner, receipt or '', time to live of the receipt in ms
local held = redis.call('HMGET', KEYS[2], 'epoch', 'owner')
if not held[1] then return 'gone' end
if held[1] ~= ARGV[1] or (held[2] or '') ~= ARGV[2] then return 'fenced' end
redis.call('DEL', unpack(KEYS))
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
end
return 'ok'
