-- call, caller, callee, ring ms, most calls -> 'opened', 'caller' or 'target' (not connected), 'used' or 'many'
local call_id, caller, callee, ring_ms, most = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
if redis.call('HEXISTS', key('client', caller), 'owner') == 0 then return 'caller' end
if redis.call('HEXISTS', key('client', callee), 'owner') == 0 then return 'target' end
if redis.call('EXISTS', key('call', call_id)) == 1 then return 'used' end
local placed = 0
for _, leg in ipairs(redis.call('HVALS', key('calls', caller))) do
  if role_and_peer(leg) == 'caller' then placed = placed + 1 end
end
if most > 0 and placed >= most then return 'many' end
redis.call('HSET', key('call', call_id), 'caller', caller, 'callee', callee, 'state', 'ringing')
redis.call('HSET', key('calls', caller), call_id, 'caller ' .. callee)
redis.call('HSET', key('calls', callee), call_id, 'callee ' .. caller)
redis.call('ZADD', key('opened'), now, call_id)
redis.call('ZADD', key('rings'), now + ring_ms, call_id)
return 'opened'
