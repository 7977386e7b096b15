-- hold ms, most, process, for how many ms an ended call is remembered, asks for evictions (1 or 0)
-- -> {the time that it wrote, epoch or '', 1 when the process is known, how many keys Redis has evicted, ended calls: {call,
-- reason, recipients...}, ...}
local hold_ms, most = tonumber(ARGV[3]), tonumber(ARGV[4])
local ended = {}
-- Redis may have come back with older data: whoever looks dead in it is about to come back too.
local is_quiet = now < tonumber(redis.call('GET', key('quiet')) or 0)
local dead = is_quiet and {} or redis.call('ZRANGEBYSCORE', key('processes'), '-inf', now)
local rung = is_quiet and {} or redis.call('ZRANGEBYSCORE', key('rings'), '-inf', now, 'LIMIT', 0, most)
local held = is_quiet and {} or redis.call('ZRANGEBYSCORE', key('holds'), '-inf', now, 'LIMIT', 0, most)
for _, process in ipairs(dead) do
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
for _, call_id in ipairs(rung) do
  local call = end_call(call_id)
  redis.call('ZREM', key('rings'), call_id)
  if call[1] then ended[#ended + 1] = {call_id, 'timeout', call[1], call[2]} end
end
for _, client in ipairs(held) do
  remove_client(client, ended)
end
redis.call('ZREMRANGEBYSCORE', key('ended'), '-inf', now - tonumber(ARGV[6]))
-- How far the processes' time is ahead of Redis' clock, which somebody may set: whoever comes later goes by theirs. Last,
-- so that a Redis without memory still lets go of what is over.
local clock = redis.call('TIME')
redis.call('SET', key('skew'), now - clock[1] * 1000 - math.floor(clock[2] / 1000))
redis.call('SET', key('swept'), now)
local evicted = ARGV[7] == '1' and string.match(redis.call('INFO', 'stats'), 'evicted_keys:(%d+)') or 0
local is_known = redis.call('ZSCORE', key('processes'), ARGV[5]) and 1 or 0
return {now, redis.call('GET', key('epoch')) or '', is_known, tonumber(evicted), ended}
