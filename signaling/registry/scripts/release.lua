-- client, connection, hold (0: not at all), hold ms, most messages, most bytes,
-- then of each stray, the oldest first: event, bytes, is needed (1 or 0)
-- -> nil, or {successor or '', how many strays found no room, ended...}
local client, connection, hold, hold_ms = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local most_messages, most_bytes = tonumber(ARGV[7]), tonumber(ARGV[8])
local record = key('client', client)
if redis.call('HGET', record, 'owner') ~= connection then return false end
local successor = redis.call('HGET', record, 'successor')
local reply = {successor or '', 0}
if hold == '0' and not successor then
  redis.call('SREM', key('members', redis.call('HGET', record, 'process')), client)
  remove_client(client, reply)
  return reply
end
local messages, bytes = redis.call('LLEN', key('held', client)), tonumber(redis.call('HGET', record, 'held_bytes') or 0)
for i = 9, #ARGV, 3 do
  if ARGV[i + 2] == '1' then messages, bytes = messages + 1, bytes + ARGV[i + 1] end
end
local has_room = true
for i = #ARGV - 2, 9, -3 do
  local is_needed, size = ARGV[i + 2] == '1', tonumber(ARGV[i + 1])
  if not is_needed then
    has_room = has_room and messages < most_messages and bytes + size <= most_bytes
    if has_room then messages, bytes = messages + 1, bytes + size end
  end
  if is_needed or has_room then
    redis.call('LPUSH', key('held', client), ARGV[i])
  else
    reply[2] = reply[2] + 1
  end
end
if #ARGV >= 9 then redis.call('HSET', record, 'held_bytes', bytes) end
start_hold(client, hold_ms)
return reply
