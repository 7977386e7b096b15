-- call -> nil when there is none, or {caller, callee}
if redis.call('EXISTS', key('call', ARGV[3])) == 0 then return false end
return end_call(ARGV[3])
