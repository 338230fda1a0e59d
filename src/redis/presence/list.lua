-- A page of those who are in a room, by name.
-- KEYS[2..4]  of the room: how many connections each user has, the names of users in order, the era that they are of
-- ARGV[2..3]  from where on, and how many at most
-- Returns how many users there are, and of those on the page each with its connections.
if redis.call('HGET', KEYS[4], 'era') ~= era then
    return {'0'}
end
local answer = {string.format('%.0f', redis.call('HLEN', KEYS[2]))}
for _, user in ipairs(redis.call('ZRANGEBYLEX', KEYS[3], ARGV[2], '+', 'LIMIT', 0, ARGV[3])) do
    answer[#answer + 1] = user
    answer[#answer + 1] = redis.call('HGET', KEYS[2], user)
end
return answer
