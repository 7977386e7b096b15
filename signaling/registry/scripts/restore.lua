-- client, connection, channel, process, ring ms, hold ms, then legs that the connection knows: call, role, peer, state ...
-- -> nil when it is somebody else's, or {legs, held} as in join
local client, connection, channel, process = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local ring_ms, hold_ms = tonumber(ARGV[7]), tonumber(ARGV[8])
local record = key('client', client)
local owner = redis.call('HGET', record, 'owner')
if owner and owner ~= connection then return false end
redis.call('HSET', record, 'owner', connection, 'channel', channel, 'process', process)
redis.call('ZREM', key('holds'), client)
redis.call('SADD', key('members', process), client)
for i = 9, #ARGV, 4 do
  local call_id, role, peer, state = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  if redis.call('EXISTS', key('call', call_id)) == 0 then
    local is_caller = role == 'caller'
    redis.call('HSET', key('call', call_id), 'caller', is_caller and client or peer,
      'callee', is_caller and peer or client, 'state', state)
    redis.call('HSET', key('calls', peer), call_id, (is_caller and 'callee ' or 'caller ') .. client)
    -- When it was opened was lost with everything else.
    redis.call('ZADD', key('opened'), now, call_id)
    -- Until the other side is restored as well, it is one that dropped.
    if redis.call('HEXISTS', key('client', peer), 'owner') == 0 then
      redis.call('ZADD', key('holds'), now + hold_ms, peer)
    end
    if state == 'ringing' then redis.call('ZADD', key('rings'), now + ring_ms, call_id) end
  end
  redis.call('HSET', key('calls', client), call_id, role .. ' ' .. peer)
end
return true
