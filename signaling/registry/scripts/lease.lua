-- process, lease ms, connections -> 1 when the process was known, 0 when it is new or was given up for dead
local process = ARGV[3]
local is_new = redis.call('ZADD', key('processes'), now + tonumber(ARGV[4]), process)
redis.call('HSET', key('connections'), process, ARGV[5])
return 1 - is_new
