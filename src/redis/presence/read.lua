-- Who is in a room.
-- KEYS[2..4]  of the room: how many connections each user has, the names of users in order, the era that they are of
-- ARGV[2]     with more users than this, only how many there are
-- Returns the era, its age in milliseconds, how many users there are; and who, if they are not too many.
local count = 0
if redis.call('HGET', KEYS[4], 'era') == era then
    count = redis.call('HLEN', KEYS[2])
end
local answer = {era, string.format('%.0f', now - era), string.format('%.0f', count)}
if count > 0 and count <= tonumber(ARGV[2]) then
    for _, user in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
        answer[#answer + 1] = user
    end
end
return answer
