-- process, then pairs of an address and how many connections the process has from it
local process = ARGV[3]
for i = 4, #ARGV, 2 do
  redis.call('HSET', key('address', ARGV[i]), process, ARGV[i + 1])
  redis.call('SADD', key('addresses', process), ARGV[i])
end
