-- client, the layer's name for its group, most messages, most bytes, event, bytes, is needed (1 or 0)
-- -> 2 delivered, 1 held, 0 the client is gone, -1 too much is held
return hold_event(ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7], tonumber(ARGV[8]), ARGV[9] == '1')
