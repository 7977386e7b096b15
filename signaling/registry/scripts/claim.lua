-- client, connection, channel, process, is first (1 or 0), the identity that it was checked against or '',
-- whether this process knows which IDs are owned, should Redis have lost it (1 or 0)
-- -> nil when superseded, {connection that has the client ID or '', channel of who waited for it or ''},
--    {'owned'} when it belongs to another identity, or {'lost'} when it may
local client, connection, channel, process, is_first = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local identity, is_known = ARGV[8], ARGV[9]
local record = key('client', client)
local owned_by = redis.call('GET', key('owned', client))
if owned_by and owned_by ~= identity then return {'owned'} end
if is_known == '0' and redis.call('EXISTS', key('owned')) == 0 then return {'lost'} end
local owner = redis.call('HGET', record, 'owner')
local successor = redis.call('HGET', record, 'successor')
local is_held = owner and owner ~= connection
if is_first == '0' and successor ~= channel and (successor or is_held) then return false end
local displaced = successor and successor ~= channel and successor or ''
if is_held then
  redis.call('HSET', record, 'successor', channel)
  return {owner, displaced}
end
redis.call('HSET', record, 'owner', connection, 'channel', channel, 'process', process)
redis.call('HDEL', record, 'successor', 'identity')
if identity ~= '' then redis.call('HSET', record, 'identity', identity) end
redis.call('ZREM', key('holds'), client)
redis.call('SADD', key('members', process), client)
return {'', displaced}
