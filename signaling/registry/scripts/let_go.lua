-- process, hold ms, most ms to wait, least ms until it waits again, then every connection of the process
-- Holds the clients that Redis takes for those of the process, and that none of its connections has; and lets the sweeps
-- wait until the other processes have been here too.
local process, hold_ms, wait_ms, pause_ms = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
if wait_ms > 0 and now > tonumber(redis.call('GET', key('quiet')) or 0) + pause_ms then
  redis.call('SET', key('quiet'), now + wait_ms)
end
local is_here = {}
for i = 7, #ARGV do is_here[ARGV[i]] = true end
for _, client in ipairs(redis.call('SMEMBERS', key('members', process))) do
  local owner, of_process = unpack(redis.call('HMGET', key('client', client), 'owner', 'process'))
  if of_process ~= process then
    redis.call('SREM', key('members', process), client)
  elseif not is_here[owner] then
    start_hold(client, hold_ms)
  end
end
