-- call... : they ended lately, which Redis may have lost
for i = 3, #ARGV do end_call(ARGV[i]) end
