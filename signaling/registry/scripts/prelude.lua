-- Shared by every script. ARGV[1] is the prefix of all keys, ARGV[2] the time in milliseconds.
--   client:<id>     hash  owner, channel, process, is_joined, successor, held_bytes, identity (that it was checked against)
--   held:<id>       list  events that wait for the client, oldest first
--   calls:<id>      hash  call ID -> "caller <peer>" or "callee <peer>": this client's role, and its peer
--   call:<call id>  hash  caller, callee, state, named_by ("server" where the caller chose no call ID)
--   opened          zset  every call ID by when it was opened;   rings  zset  ringing call IDs by their deadline
--   holds           zset  clients without a connection, by their deadline
--   owned:<id>      string  the identity that may register a client ID;   owned  string  there once all of these are
--   processes       zset  processes by the end of their lease
--   members:<p>     set   client IDs of a process;   connections  hash  process -> connections
--   address:<a>     hash  process -> open connections;   addresses:<p>  set  addresses of a process
--   snapshot:<p>    string  what a process says of itself, JSON; expires with the lease
--   skew            string  milliseconds from Redis' clock to the processes' time
--   epoch           string  named anew after every loss of data
--   format          string  the number of the format of all this, by whoever came first;  formats  hash  process -> the one it knows
--   ended           zset  calls that ended lately by when, so that nobody who comes back revives them
--   swept           string  the time of the last sweep;   quiet  string  until when sweeps end nothing
--   arrivals:<a>    list  times of the last new connections, newest first
-- Keys are made here, from the prefix: one primary holds them all, no cluster.
local now = tonumber(ARGV[2])
local function key(kind, name)
  return ARGV[1] .. ':' .. kind .. (name and ':' .. name or '')
end

-- FORMAT is this version's. Half a step on records that it cannot read would be worse than none.
local format = redis.call('GET', key('format'))
if not format then
  redis.call('SET', key('format'), FORMAT)
elseif format ~= FORMAT then
  return redis.error_reply('FORMAT ' .. format)
end

local function role_and_peer(leg)
  local space = string.find(leg, ' ', 1, true)
  return string.sub(leg, 1, space - 1), string.sub(leg, space + 1)
end

-- Connections are named "t", then when they came in hexadecimal, then at random; one of the first version is not.
local function is_older(one, other)
  return string.sub(one, 1, 1) == 't' and string.sub(other, 1, 1) == 't' and one < other
end

local function end_call(call_id)
  local call = redis.call('HMGET', key('call', call_id), 'caller', 'callee')
  for _, participant in ipairs(call) do
    if participant then redis.call('HDEL', key('calls', participant), call_id) end
  end
  redis.call('DEL', key('call', call_id))
  redis.call('ZREM', key('opened'), call_id)
  redis.call('ZREM', key('rings'), call_id)
  redis.call('ZADD', key('ended'), now, call_id)
  return call
end

local function remove_client(client, ended)
  local legs = redis.call('HGETALL', key('calls', client))
  for i = 1, #legs, 2 do
    local _, peer = role_and_peer(legs[i + 1])
    end_call(legs[i])
    ended[#ended + 1] = {legs[i], 'peer_disconnected', peer}
  end
  redis.call('DEL', key('client', client), key('held', client), key('calls', client))
  redis.call('ZREM', key('holds'), client)
end

-- Without a connection: its calls and what waits go on for a while; with neither nor a successor it is gone.
local function start_hold(client, hold_ms)
  local record = key('client', client)
  local process = redis.call('HGET', record, 'process')
  if process then redis.call('SREM', key('members', process), client) end
  redis.call('HDEL', record, 'owner', 'channel', 'process', 'is_joined')
  if redis.call('EXISTS', key('calls', client), key('held', client)) > 0
    or redis.call('HEXISTS', record, 'successor') == 1 then
    redis.call('ZADD', key('holds'), now + hold_ms, client)
  else
    redis.call('DEL', record)
  end
end

-- 2 delivered, 1 held, 0 the client is gone, -1 too much is held.
local function hold_event(client, group, most_messages, most_bytes, event, bytes, is_needed)
  local record = key('client', client)
  if redis.call('EXISTS', record) == 0 and not redis.call('ZSCORE', key('holds'), client) then return 0 end
  -- It may have joined since nobody received the event; an ID that is being let go of has no subscriber.
  if redis.call('HEXISTS', record, 'is_joined') == 1 and redis.call('PUBLISH', group, event) > 0 then return 2 end
  local held = tonumber(redis.call('HGET', record, 'held_bytes') or 0)
  if not is_needed
    and (redis.call('LLEN', key('held', client)) >= most_messages or held + bytes > most_bytes) then
    return -1
  end
  redis.call('RPUSH', key('held', client), event)
  redis.call('HINCRBY', record, 'held_bytes', bytes)
  return 1
end
