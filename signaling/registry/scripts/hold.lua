-- client, the layer's name for its group, event, bytes, is needed (1 or 0), most messages, most bytes
-- -> 2 delivered, 1 held, 0 the client is gone, -1 too much is held
local client, group, event, bytes, is_needed = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7]
local most_messages, most_bytes = tonumber(ARGV[8]), tonumber(ARGV[9])
local record = key('client', client)
if redis.call('EXISTS', record) == 0 and not redis.call('ZSCORE', key('holds'), client) then return 0 end
-- It may have joined since nobody received the event; an ID that is being let go of has no subscriber.
if redis.call('HEXISTS', record, 'is_joined') == 1 and redis.call('PUBLISH', group, event) > 0 then return 2 end
local held = tonumber(redis.call('HGET', record, 'held_bytes') or 0)
if is_needed == '0'
  and (redis.call('LLEN', key('held', client)) >= most_messages or held + bytes > most_bytes) then
  return -1
end
redis.call('RPUSH', key('held', client), event)
redis.call('HINCRBY', record, 'held_bytes', bytes)
return 1
