-- Whether an owner's lease stands; if it does, tell the owner that a record of its is wanted.
-- KEYS: lease, wanted    ARGV: record id or '' to tell nothing, time to live of the wish in ms
-- Returns 1 if the lease stands, else 0.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if ARGV[1] ~= '' then
  redis.call('SADD', KEYS[2], ARGV[1])
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
return 1
