-- client, identity, the connection whose statement it was or ''
-- what is older than what is known changes nothing
-- -> {connection that lost the client ID or '', its channel, channel of who waited for it or '', ended...}
local client, identity, sender = ARGV[3], ARGV[4], ARGV[5]
local record = key('client', client)
-- The number of the statement since which it is the owner's.
local function since(token) return tonumber(string.match(token, ' (%d+)$') or 0) end
local known = redis.call('GET', key('owned', client))
if known and since(known) > since(identity) then return {'', '', ''} end
redis.call('SET', key('owned', client), identity)
if redis.call('HGET', record, 'identity') == identity then return {'', '', ''} end
local owner, process = redis.call('HGET', record, 'owner'), redis.call('HGET', record, 'process')
local reply = {owner or '', redis.call('HGET', record, 'channel') or '', redis.call('HGET', record, 'successor') or ''}
if owner and owner == sender then
  reply[1] = ''
  redis.call('HDEL', record, 'successor')
  redis.call('HSET', record, 'identity', identity)
  return reply
end
if process then redis.call('SREM', key('members', process), client) end
remove_client(client, reply)
return reply
