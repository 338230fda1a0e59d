-- The era that Redis is in: the same one as long as it has lost nothing, and some node has always reached it. What it
-- holds of an earlier one is not believed. This begins each script of presence.
-- Where memory is full no era begins, and then nothing is done. In one that lasts all is: Redis refuses no script
-- anything that has already changed something, so nothing is ever left half done.
-- KEYS[1]  the era: the instant at which it began, in microseconds
-- ARGV[1]  for how many milliseconds it lasts if no node is heard of
local clock = redis.call('TIME')
local micros = clock[1] * 1000000 + clock[2]
local now = math.floor(micros / 1000)
local era = redis.call('GET', KEYS[1])
if era then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
else
    era = string.format('%.0f', micros)
    redis.call('SET', KEYS[1], era, 'PX', ARGV[1])
end
