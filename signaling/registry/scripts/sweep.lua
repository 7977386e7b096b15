-- hold ms, most -> ended calls: {call, reason, recipients...}, ...
local hold_ms, most = tonumber(ARGV[3]), tonumber(ARGV[4])
local ended = {}
-- How far the processes' time is ahead of Redis' clock, which somebody may set: whoever comes later goes by theirs.
local clock = redis.call('TIME')
redis.call('SET', key('skew'), now - clock[1] * 1000 - math.floor(clock[2] / 1000))
for _, process in ipairs(redis.call('ZRANGEBYSCORE', key('processes'), '-inf', now)) do
  local members = redis.call('SRANDMEMBER', key('members', process), most)
  for _, client in ipairs(members) do
    redis.call('SREM', key('members', process), client)
    if redis.call('HGET', key('client', client), 'process') == process then start_hold(client, hold_ms) end
  end
  if #members < most then
    for _, address in ipairs(redis.call('SMEMBERS', key('addresses', process))) do
      redis.call('HDEL', key('address', address), process)
    end
    redis.call('DEL', key('members', process), key('addresses', process))
    redis.call('HDEL', key('connections'), process)
    redis.call('HDEL', key('formats'), process)
    redis.call('ZREM', key('processes'), process)
  end
end
for _, call_id in ipairs(redis.call('ZRANGEBYSCORE', key('rings'), '-inf', now, 'LIMIT', 0, most)) do
  local call = end_call(call_id)
  redis.call('ZREM', key('rings'), call_id)
  if call[1] then ended[#ended + 1] = {call_id, 'timeout', call[1], call[2]} end
end
for _, client in ipairs(redis.call('ZRANGEBYSCORE', key('holds'), '-inf', now, 'LIMIT', 0, most)) do
  remove_client(client, ended)
end
return ended
