-- client... -> those that a connection of a living process has
local online = {}
for i = 3, #ARGV do
  local process = redis.call('HGET', key('client', ARGV[i]), 'process')
  local lease = process and redis.call('ZSCORE', key('processes'), process)
  if lease and tonumber(lease) > now then online[#online + 1] = ARGV[i] end
end
return online
