-- client, connection, hold ms
local client, connection, hold_ms = ARGV[3], ARGV[4], tonumber(ARGV[5])
if redis.call('HGET', key('client', client), 'owner') == connection then start_hold(client, hold_ms) end
