-- first, most -> {how many in all, {call, caller, callee, state, age ms}, ...}, newest first, from number first (of 0) on
local first, most = tonumber(ARGV[3]), tonumber(ARGV[4])
local calls = {}
for _, id in ipairs(redis.call('ZREVRANGE', key('opened'), first, first + most - 1)) do
  local call = redis.call('HMGET', key('call', id), 'caller', 'callee', 'state')
  local age = math.max(now - tonumber(redis.call('ZSCORE', key('opened'), id) or now), 0)
  calls[#calls + 1] = {id, call[1], call[2], call[3], age}
end
return {redis.call('ZCARD', key('opened')), unpack(calls)}
