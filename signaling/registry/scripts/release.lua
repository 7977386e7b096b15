-- client, connection, hold (0: not at all), hold ms, bytes of strays, strays... -> nil, or {successor or '', ended...}
local client, connection, hold, hold_ms = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local record = key('client', client)
if redis.call('HGET', record, 'owner') ~= connection then return false end
local successor = redis.call('HGET', record, 'successor')
local reply = {successor or ''}
if hold == '0' and not successor then
  redis.call('SREM', key('members', redis.call('HGET', record, 'process')), client)
  remove_client(client, reply)
  return reply
end
for i = #ARGV, 8, -1 do redis.call('LPUSH', key('held', client), ARGV[i]) end
if #ARGV >= 8 then redis.call('HINCRBY', record, 'held_bytes', ARGV[7]) end
start_hold(client, hold_ms)
return reply
