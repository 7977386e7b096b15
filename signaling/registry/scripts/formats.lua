-- -> process, the number of the format that it knows, ... of those that live
local reply = {}
for _, process in ipairs(redis.call('ZRANGEBYSCORE', key('processes'), '(' .. now, '+inf')) do
  reply[#reply + 1] = process
  reply[#reply + 1] = redis.call('HGET', key('formats'), process) or '0'
end
return reply
