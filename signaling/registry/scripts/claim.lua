-- client, connection, channel, process, is first (1 or 0)
-- -> nil when superseded, or {connection that has the client ID or '', channel of who waited for it or ''}
local client, connection, channel, process, is_first = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local record = key('client', client)
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
redis.call('HDEL', record, 'successor')
redis.call('ZREM', key('holds'), client)
redis.call('SADD', key('members', process), client)
return {'', displaced}
