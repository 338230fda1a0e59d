-- Notes how many readers a session has on a node; that is believed for a while.
-- KEYS[1]     the readers of the session, by node
-- ARGV[1..3]  the node, how many, for how many milliseconds
local clock = redis.call('TIME')
if ARGV[2] == '0' then
    redis.call('HDEL', KEYS[1], ARGV[1])
else
    local until_ms = clock[1] * 1000 + math.floor(clock[2] / 1000) + tonumber(ARGV[3])
    redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %s', until_ms, ARGV[2]))
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return 1
