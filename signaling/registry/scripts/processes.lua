-- -> process, how many clients are registered there, ... of those that live
local reply = {}
for _, process in ipairs(redis.call('ZRANGEBYSCORE', key('processes'), '(' .. now, '+inf')) do
  reply[#reply + 1] = process
  reply[#reply + 1] = redis.call('SCARD', key('members', process))
end
return reply
