-- Let go of a record, so that anybody may claim it at once; nothing happens where it is another's.
-- KEYS: record    ARGV: owner
if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then
  redis.call('HSET', KEYS[1], 'owner', '')
end
return 'ok'
