-- call, client, then rows of the table of transitions: state, role, next state ('' = gone) ...
-- -> nil when no row fits, 'lost' when there is no such leg and it is not known to have ended, or {peer, role, state as it
-- is now}
local call_id, client = ARGV[3], ARGV[4]
local leg = redis.call('HGET', key('calls', client), call_id)
local state = redis.call('HGET', key('call', call_id), 'state')
if not leg or not state then return not redis.call('ZSCORE', key('ended'), call_id) and 'lost' end
local role, peer = role_and_peer(leg)
for i = 5, #ARGV, 3 do
  if ARGV[i] == state and ARGV[i + 1] == role then
    local following = ARGV[i + 2]
    if following == '' then
      end_call(call_id)
      return {peer, role, state}
    end
    redis.call('HSET', key('call', call_id), 'state', following)
    redis.call('ZREM', key('rings'), call_id)
    return {peer, role, following}
  end
end
return false
