-- The era that Redis is in: the same one as long as it has lost nothing, and some node has always reached it. What it
-- holds of an earlier one is not believed. This begins each script of presence.
-- KEYS[1]  the era: the instant at which it began, in milliseconds
-- ARGV[1]  for how many milliseconds it lasts if no node is heard of
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local era = redis.call('GET', KEYS[1])
if era then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
else
    era = string.format('%.0f', now)
    redis.call('SET', KEYS[1], era, 'PX', ARGV[1])
end
