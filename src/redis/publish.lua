-- Publishes a batch of changes once: what this Redis has seen already is passed over, whoever sends it and how often.
-- KEYS[1]     the last published position, `<generation>-<position>`
-- ARGV[1..2]  generation of the batch, position before it
-- ARGV[3]     '1' to accept a hole: the log below it is gone
-- ARGV[4..6]  the channels
-- ARGV[7..]   for each change: the number of its channel (1 to 3), its JSON
-- Returns the last published position. If that is before the batch, nothing was published: begin there.
local generation, after = tonumber(ARGV[1]), tonumber(ARGV[2])
local held = redis.call('GET', KEYS[1])
local held_generation, held_position = string.match(held or '', '^(%d+)-(%d+)$')
held_generation, held_position = tonumber(held_generation), tonumber(held_position)

if held_generation and held_generation > generation then
    return held
end
local seen = after
if held_generation == generation then
    if held_position < after and ARGV[3] ~= '1' then
        return held
    end
    seen = math.max(held_position, after)
end

local position = after
for item = 7, #ARGV, 2 do
    position = position + 1
    if position > seen then
        redis.call('PUBLISH', ARGV[3 + tonumber(ARGV[item])], ARGV[item + 1])
    end
end
local last = string.format('%d-%.0f', generation, math.max(position, seen))
redis.call('SET', KEYS[1], last)
return last
