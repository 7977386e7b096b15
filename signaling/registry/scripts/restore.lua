-- client, connection, channel, process, ring ms, hold ms, may revive (1 or 0: what is gone had ended),
-- the identity that it was checked against or '',
-- then each leg that the connection knows: call, role, peer, state ('' while it asks for the call to be opened)
-- -> nil when a newer connection has the client ID, or the calls that the connection does not know, and that ended:
-- {call, reason, recipient}, ...
local client, connection, channel, process = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local ring_ms, hold_ms, may_revive = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9] == '1'
local identity = ARGV[10]
local record = key('client', client)
local owned_by = redis.call('GET', key('owned', client))
if owned_by and owned_by ~= identity then return false end
local owner, of_process = unpack(redis.call('HMGET', record, 'owner', 'process'))
if owner and owner ~= connection then
  if not is_older(owner, connection) then return false end
  -- Redis has data of before this connection came.
  redis.call('HDEL', record, 'successor')
  redis.call('SREM', key('members', of_process), client)
end
redis.call('HSET', record, 'owner', connection, 'channel', channel, 'process', process)
if identity ~= '' then redis.call('HSET', record, 'identity', identity) end
redis.call('ZREM', key('holds'), client)
redis.call('SADD', key('members', process), client)
local known = {}
for i = 11, #ARGV, 4 do
  local call_id, role, peer, state = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local is_caller, found = role == 'caller', redis.call('HGET', key('call', call_id), 'state')
  known[call_id] = true
  if state == '' then
    found = nil
  elseif not found and may_revive and not redis.call('ZSCORE', key('ended'), call_id) then
    redis.call('HSET', key('call', call_id), 'caller', is_caller and client or peer,
      'callee', is_caller and peer or client, 'state', state)
    -- Until the other side is restored as well, it is one that dropped.
    if redis.call('HEXISTS', key('client', peer), 'owner') == 0 then
      redis.call('ZADD', key('holds'), now + hold_ms, peer)
    end
    found = state
  end
  if found then
    redis.call('HSET', key('calls', client), call_id, role .. ' ' .. peer)
    redis.call('HSET', key('calls', peer), call_id, (is_caller and 'callee ' or 'caller ') .. client)
    -- When it was opened may be lost.
    redis.call('ZADD', key('opened'), 'NX', now, call_id)
    if state == 'active' then
      redis.call('HSET', key('call', call_id), 'state', 'active')
      redis.call('ZREM', key('rings'), call_id)
    elseif found == 'ringing' then
      redis.call('ZADD', key('rings'), 'NX', now + ring_ms, call_id)
    end
  end
end
-- Only the connection itself places and answers its calls. One that rings may be on its way to it.
local ended, legs = {}, redis.call('HGETALL', key('calls', client))
for i = 1, #legs, 2 do
  local role, peer = role_and_peer(legs[i + 1])
  local is_new = role == 'callee' and redis.call('HGET', key('call', legs[i]), 'state') == 'ringing'
  if not known[legs[i]] and not is_new then
    end_call(legs[i])
    redis.call('HDEL', key('calls', client), legs[i])
    ended[#ended + 1] = {legs[i], 'peer_disconnected', peer}
  end
end
return ended
