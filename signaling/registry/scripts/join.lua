-- client, connection -> nil when it is somebody else's, or {legs, held}: legs is call ID, role, peer, state, ...
local client, connection = ARGV[3], ARGV[4]
local record = key('client', client)
if redis.call('HGET', record, 'owner') ~= connection then return false end
redis.call('HSET', record, 'is_joined', 1)
local held = redis.call('LRANGE', key('held', client), 0, -1)
redis.call('DEL', key('held', client))
redis.call('HDEL', record, 'held_bytes')
local legs = {}
local calls = redis.call('HGETALL', key('calls', client))
for i = 1, #calls, 2 do
  local role, peer = role_and_peer(calls[i + 1])
  local state = redis.call('HGET', key('call', calls[i]), 'state')
  -- Redis may have thrown the call away.
  for _, value in ipairs(state and {calls[i], role, peer, state} or {}) do legs[#legs + 1] = value end
end
return {legs, held}
