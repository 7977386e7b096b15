-- process, lease ms, connections, a new epoch, a snapshot for the other processes or ''
-- -> {1 when the process was known, 0 when it is new or was given up for dead; the epoch}
local process, epoch = ARGV[3], redis.call('GET', key('epoch'))
if not epoch then
  epoch = ARGV[6]
  redis.call('SET', key('epoch'), epoch)
end
local is_new = redis.call('ZADD', key('processes'), now + tonumber(ARGV[4]), process)
redis.call('HSET', key('connections'), process, ARGV[5])
redis.call('HSET', key('formats'), process, KNOWN_FORMAT)
if ARGV[7] == '' then
  redis.call('DEL', key('snapshot', process))
else
  redis.call('SET', key('snapshot', process), ARGV[7], 'PX', ARGV[4])
end
return {1 - is_new, epoch}
