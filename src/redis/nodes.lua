-- Tells how a node is, and returns how all are. How long each is silent is told by one clock: that of Redis.
-- KEYS[1]  a hash: the last beat of each node, as the instant at which it came, in milliseconds, and what it told
-- ARGV[1]  for how many milliseconds a node is kept of which nothing is heard
-- ARGV[2]  the node
-- ARGV[3]  what it tells
-- Returns of each node its name, for how many milliseconds it has been silent, and what it told.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local keep = tonumber(ARGV[1])
redis.call('HSET', KEYS[1], ARGV[2], string.format('%.0f ', now) .. ARGV[3])
redis.call('PEXPIRE', KEYS[1], keep)

local nodes = {}
local beats = redis.call('HGETALL', KEYS[1])
for i = 1, #beats, 2 do
    local at, told = string.match(beats[i + 1], '^(%d+) (.*)$')
    local silent = now - (tonumber(at) or 0)
    -- A clock that was set back makes beats that are still to come: they say nothing either.
    if math.abs(silent) > keep then
        redis.call('HDEL', KEYS[1], beats[i])
    else
        table.insert(nodes, beats[i])
        table.insert(nodes, string.format('%.0f', math.max(silent, 0)))
        table.insert(nodes, told)
    end
end
return nodes
