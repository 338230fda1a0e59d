-- Lets connections be in a room until some time, or not any more; and takes away those whose time is over.
-- KEYS[2..6]    of the room: its connections, how many each user has, the names of users in order, from which nodes
--               what was done last; and all rooms
-- ARGV[2..5]    the room, its bell, for how many milliseconds anything is kept, how many to take away at most
-- ARGV[6..7]    the node, and a number that grows with each of its calls; nothing where no connection is named
-- ARGV[8, 9]..  a connection with its user, and for how many milliseconds it is there; 0 if it is not
-- Returns how many users came and went, and how many connections were taken away because their time was over.
local connections, users, names, nodes, rooms = KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local room, bell, keep, most, node, number = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local came, went, over, changed = 0, 0, 0, false

local function user_of(connection)
    return string.sub(connection, string.find(connection, ' ', 1, true) + 1)
end

local function stay(connection, milliseconds)
    if redis.call('ZADD', connections, string.format('%.0f', now + milliseconds), connection) == 1 then
        local user = user_of(connection)
        if redis.call('HINCRBY', users, user, 1) == 1 then
            redis.call('ZADD', names, 0, user)
            came = came + 1
        end
    end
end

-- Where memory is full nothing grows, not even a number: so what may be refused comes first.
local function go(connection)
    if redis.call('ZSCORE', connections, connection) then
        local user = user_of(connection)
        if tonumber(redis.call('HGET', users, user)) > 1 then
            redis.call('HINCRBY', users, user, -1)
        else
            redis.call('HDEL', users, user)
            redis.call('ZREM', names, user)
            went = went + 1
        end
        redis.call('ZREM', connections, connection)
    end
end

-- What is of another era, or what is left where a part was lost, is nothing.
local parts = redis.call('EXISTS', connections, users, names)
if parts % 3 ~= 0 or redis.call('HGET', nodes, 'era') ~= era then
    changed = parts > 0
    redis.call('DEL', connections, users, names, nodes)
end

if node then
    -- One that was held up on its way, and has been overtaken by a later one.
    if tonumber(redis.call('HGET', nodes, node) or 0) > tonumber(number) then
        return {0, 0, 0}
    end
    redis.call('HSET', nodes, 'era', era, node, number)
    for i = 8, #ARGV, 2 do
        if ARGV[i + 1] == '0' then
            go(ARGV[i])
        else
            stay(ARGV[i], tonumber(ARGV[i + 1]))
        end
    end
end

for _, connection in ipairs(redis.call('ZRANGEBYSCORE', connections, '-inf', now, 'LIMIT', 0, most)) do
    go(connection)
    over = over + 1
end
if changed or came + went > 0 then
    redis.call('PUBLISH', bell, '')
end

local first = redis.call('ZRANGE', connections, 0, 0, 'WITHSCORES')
if first[2] then
    redis.call('ZADD', rooms, first[2], room)
    for i = 2, 6 do
        redis.call('PEXPIRE', KEYS[i], keep)
    end
else
    redis.call('ZREM', rooms, room)
    -- Something may still be held up that is not to be done any more.
    redis.call('PEXPIRE', nodes, math.min(keep, 10000))
end
return {came, went, over}
