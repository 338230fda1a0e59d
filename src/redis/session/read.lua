-- Reads on in a session.
-- KEYS[1..2]  the session, its log
-- ARGV[1]     the number of the chunk to begin with
-- ARGV[2..3]  the most chunks, the most bytes if it is not one chunk that has more
-- Returns the state ('' where there is none), how many chunks are there, the number of the last or '', and the texts.
local held = redis.call('HMGET', KEYS[1], 'state', 'count', 'last')
local answer = {held[1] or '', held[2] or '0', held[3] or ''}
local number, bytes = tonumber(ARGV[1]), 0
for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '(' .. ARGV[1] .. '-0', '+', 'COUNT', ARGV[2])) do
    local text = entry[2][2]
    number, bytes = number + 1, bytes + #text
    -- What Redis has lost is not passed over.
    if entry[1] ~= number .. '-0' or bytes > tonumber(ARGV[3]) and #answer > 3 then break end
    answer[#answer + 1] = text
end
return answer
