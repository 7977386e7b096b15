-- call, caller, callee, ring ms, most calls, is chosen (1 or 0)
-- -> {'caller'} or {'target'} (not connected), {'used'}, {'many'}, or {'opened', the call that it replaced, if any}
local call_id, caller, callee, ring_ms, most = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local is_chosen = ARGV[8] == '1'
if redis.call('HEXISTS', key('client', caller), 'owner') == 0 then return {'caller'} end
if redis.call('HEXISTS', key('client', callee), 'owner') == 0 then return {'target'} end
if redis.call('EXISTS', key('call', call_id)) == 1 then return {'used'} end
local placed, replaced = 0, nil
local legs = redis.call('HGETALL', key('calls', caller))
for i = 1, #legs, 2 do
  local role, peer = role_and_peer(legs[i + 1])
  if role == 'caller' then
    placed = placed + 1
    if not is_chosen and peer == callee then
      local call = redis.call('HMGET', key('call', legs[i]), 'state', 'named_by')
      if call[1] == 'ringing' and call[2] == 'server' then replaced = legs[i] end
    end
  end
end
if replaced then placed = placed - 1 end
if most > 0 and placed >= most then return {'many'} end
if replaced then end_call(replaced) end
redis.call('HSET', key('call', call_id), 'caller', caller, 'callee', callee, 'state', 'ringing')
if not is_chosen then redis.call('HSET', key('call', call_id), 'named_by', 'server') end
redis.call('HSET', key('calls', caller), call_id, 'caller ' .. callee)
redis.call('HSET', key('calls', callee), call_id, 'callee ' .. caller)
redis.call('ZADD', key('opened'), now, call_id)
redis.call('ZREM', key('ended'), call_id)
redis.call('ZADD', key('rings'), now + ring_ms, call_id)
return {'opened', replaced}
