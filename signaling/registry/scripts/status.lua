-- -> {connections, registered clients, ringing calls, all calls}
local connections, clients = 0, 0
for _, process in ipairs(redis.call('ZRANGEBYSCORE', key('processes'), now, '+inf')) do
  connections = connections + tonumber(redis.call('HGET', key('connections'), process) or 0)
  clients = clients + redis.call('SCARD', key('members', process))
end
return {connections, clients, redis.call('ZCARD', key('rings')), redis.call('ZCARD', key('opened'))}
