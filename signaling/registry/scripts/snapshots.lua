-- -> the snapshots of all processes that live
local snapshots = {}
for _, process in ipairs(redis.call('ZRANGEBYSCORE', key('processes'), '(' .. now, '+inf')) do
  snapshots[#snapshots + 1] = redis.call('GET', key('snapshot', process)) or nil
end
return snapshots
