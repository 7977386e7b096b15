-- client, the layer's name for its group, most messages, most bytes, then of each event: event, bytes, is needed (1 or 0),
-- call ('' = none), the state of the call that it is about ('' = gone, '*' = any but gone)
-- -> the places of the events that found no room, from 0
local client, group, most_messages, most_bytes = ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local refused = {}
for i = 7, #ARGV, 5 do
  local call_id, about, state = ARGV[i + 3], ARGV[i + 4], ''
  if redis.call('HEXISTS', key('calls', client), call_id) == 1 then
    state = redis.call('HGET', key('call', call_id), 'state') or ''
  end
  if call_id == '' or about == state or (about == '*' and state ~= '') then
    local is_needed = ARGV[i + 2] == '1'
    local outcome = hold_event(client, group, most_messages, most_bytes, ARGV[i], tonumber(ARGV[i + 1]), is_needed)
    if outcome == -1 then refused[#refused + 1] = (i - 7) / 5 end
  end
end
return refused
