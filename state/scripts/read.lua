-- A record without its outcomes. KEYS: record
-- Returns {epoch, version, state, documents}, each nothing where there is no record.
return redis.call('HMGET', KEYS[1], 'epoch', 'version', 'state', 'documents')
