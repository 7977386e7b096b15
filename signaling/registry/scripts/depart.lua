-- address, process
local address, process = ARGV[3], ARGV[4]
if redis.call('HINCRBY', key('address', address), process, -1) <= 0 then
  redis.call('HDEL', key('address', address), process)
  redis.call('SREM', key('addresses', process), address)
end
