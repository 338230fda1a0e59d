-- Takes one from a budget that fills up steadily, if there is one (the generic cell rate algorithm).
-- A budget is one number: when it will be full again. What is left is how far that lies ahead, and a key that is not
-- there is a budget that is full. The clock is Redis's own, so that nodes need not agree on one.
-- KEYS[1]     when the budget is full again, in microseconds since 1970
-- ARGV[1]     the most that is in it
-- ARGV[2]     in how many microseconds one more is there
-- Returns whether one was taken (0 or 1), how many are left, and microseconds: until it is full, until there is one.
local most, interval = tonumber(ARGV[1]), tonumber(ARGV[2])
local span = most * interval
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

-- No budget is emptier than empty: that is one of other settings, or of a clock that went ahead.
local full = math.min(math.max(tonumber(redis.call('GET', KEYS[1])) or now, now), now + span)
local after = full + interval
local short = after - span - now
if short > 0 then
    return {0, 0, full - now, short}
end
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
return {1, math.floor((now + span - after) / interval), after - now, math.max(interval + short, 0)}
