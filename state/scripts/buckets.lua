-- Buckets of metrics, without the records of those that have not changed.
-- KEYS: buckets    ARGV: for each the version that the caller has, or ''
-- Returns for each nothing where there is none, its version where the caller has it, else {version, record}.
local found = {}
for n, key in ipairs(KEYS) do
  local version = redis.call('HGET', key, 'version')
  if version and version ~= ARGV[n] then
    found[n] = {version, redis.call('HGET', key, 'record')}
  else
    found[n] = version
  end
end
return found
