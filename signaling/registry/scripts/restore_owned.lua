-- whether these are the last (1 or 0), then client, identity, ...; what a newer statement wrote stays
for i = 4, #ARGV, 2 do redis.call('SET', key('owned', ARGV[i]), ARGV[i + 1], 'NX') end
if ARGV[3] == '1' then redis.call('SET', key('owned'), 1) end
return redis.status_reply('OK')
