-- client or call or '' for all, most -> {how many in all, {call, caller, callee, state, age ms}, ...}, newest first
local name, most = ARGV[3], tonumber(ARGV[4])
local ids, total = {}, 0
if name == '' then
  total = redis.call('ZCARD', key('opened'))
  ids = redis.call('ZREVRANGE', key('opened'), 0, most - 1)
else
  ids = redis.call('HKEYS', key('calls', name))
  if redis.call('EXISTS', key('call', name)) == 1 then ids[#ids + 1] = name end
  total = #ids
end
local calls = {}
for _, id in ipairs(ids) do
  local call = redis.call('HMGET', key('call', id), 'caller', 'callee', 'state')
  local age = math.max(now - tonumber(redis.call('ZSCORE', key('opened'), id) or now), 0)
  calls[#calls + 1] = {id, call[1], call[2], call[3], age}
end
table.sort(calls, function(one, other) return one[5] < other[5] end)
local reply = {total}
for i = 1, math.min(most, #calls) do reply[i + 1] = calls[i] end
return reply
