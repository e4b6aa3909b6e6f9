-- Let go of a record, so that anybody may claim it at once; nothing happens where it is another's, or claimed anew.
-- KEYS: record    ARGV: owner, epoch
local held = redis.call('HMGET', KEYS[1], 'owner', 'epoch')
if held[1] == ARGV[1] and held[2] == ARGV[2] then
  redis.call('HSET', KEYS[1], 'owner', '')
end
return 'ok'
