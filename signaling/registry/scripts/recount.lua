-- process, then pairs of an address and how many connections the process has from it; it has no others
local process = ARGV[3]
for _, address in ipairs(redis.call('SMEMBERS', key('addresses', process))) do
  redis.call('HDEL', key('address', address), process)
end
redis.call('DEL', key('addresses', process))
for i = 4, #ARGV, 2 do
  redis.call('HSET', key('address', ARGV[i]), process, ARGV[i + 1])
  redis.call('SADD', key('addresses', process), ARGV[i])
end
