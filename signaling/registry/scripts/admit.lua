-- address, process, most open, most new, window ms -> 1 or 0
local address, process = ARGV[3], ARGV[4]
local most_open, most_new, window = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local counts, arrivals = key('address', address), key('arrivals', address)
if most_open > 0 then
  local open = 0
  local fields = redis.call('HGETALL', counts)
  for i = 1, #fields, 2 do
    if fields[i] == process or redis.call('ZSCORE', key('processes'), fields[i]) then
      open = open + fields[i + 1]
    end
  end
  if open >= most_open then return 0 end
end
if most_new > 0 then
  local oldest = redis.call('LINDEX', arrivals, most_new - 1)
  if oldest and tonumber(oldest) > now - window then return 0 end
  redis.call('LPUSH', arrivals, now)
  redis.call('LTRIM', arrivals, 0, most_new - 1)
  redis.call('PEXPIRE', arrivals, window)
end
redis.call('HINCRBY', counts, process, 1)
redis.call('SADD', key('addresses', process), address)
return 1
