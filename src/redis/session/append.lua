-- Appends a batch of chunks: all of it, or nothing. Chunks that come too early are parked, those that are there are
-- passed over, and the last one seals the session.
-- KEYS[1..4]    the session, its log, its parked chunks; the sessions that are open, by their next deadline
-- ARGV[1..2]    id, the producer's token
-- ARGV[3..5]    the most that a chunk may be ahead, the most chunks, the most bytes
-- ARGV[6..9]    milliseconds: of silence, that a chunk may be missing, of age, that a sealed session has to be written
-- ARGV[10..11]  milliseconds until it is forgotten: open, sealed
-- ARGV[12]      the channel of its bell
-- ARGV[13..14]  the number of the last chunk, how many tokens there are; '' if that is not said
-- ARGV[15..]    for each chunk: its number, its text
-- Returns 'ok', the state, and how many chunks are there, were new, were there already, are parked. Or what is wrong,
-- and how many chunks are there.
local held = redis.call('HMGET', KEYS[1], 'state', 'token', 'count', 'bytes', 'last', 'top', 'parked', 'gap', 'born',
    'intent')
local state = held[1]
if not state then
    return {'unknown', 0}
end
local count, bytes, last, top = tonumber(held[3]), tonumber(held[4]), tonumber(held[5]), tonumber(held[6])
local parked, gap = tonumber(held[7]), tonumber(held[8])
local function refuse(why)
    return {why, count}
end
if held[2] ~= ARGV[2] then
    return refuse('fenced')
end
if state == 'failed' or state == 'cancelled' or held[10] then
    return refuse('closed')
end

-- What is new of it, and whether all of it may be.
local closed = state ~= 'created' and state ~= 'streaming'
local said = tonumber(ARGV[13])
if said and not closed and ((last and last ~= said) or said < top) then
    return refuse('final_conflict')
end
if said and closed and said ~= last then
    return refuse('closed')
end
local fresh, seen, duplicates = {}, {}, 0
local bound = last or said
for item = 15, #ARGV, 2 do
    local number, text = tonumber(ARGV[item]), ARGV[item + 1]
    if closed and number > last then
        return refuse('closed')
    elseif bound and number > bound then
        return refuse('beyond_final')
    elseif number >= tonumber(ARGV[4]) then
        return refuse('too_many')
    elseif number > count + tonumber(ARGV[3]) then
        return refuse('window')
    elseif closed or number < count or seen[number]
        or (parked > 0 and redis.call('HEXISTS', KEYS[3], ARGV[item]) == 1) then
        duplicates = duplicates + 1
    else
        seen[number] = true
        bytes = bytes + #text
        fresh[#fresh + 1] = {number, text}
    end
end
if bytes > tonumber(ARGV[5]) then
    return refuse('too_large')
end
if said and said >= tonumber(ARGV[4]) then
    return refuse('too_many')
end
if closed then
    return {'ok', state, count, 0, duplicates, parked}
end

-- Nothing is refused any more.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local before = count
local function write(text)
    count = count + 1
    redis.call('XADD', KEYS[2], count .. '-0', 'c', text)
end
for _, chunk in ipairs(fresh) do
    top = math.max(top, chunk[1])
    if chunk[1] == count then
        write(chunk[2])
        while parked > 0 do
            local text = redis.call('HGET', KEYS[3], count)
            if not text then break end
            redis.call('HDEL', KEYS[3], count)
            parked = parked - 1
            write(text)
        end
    else
        redis.call('HSET', KEYS[3], chunk[1], chunk[2])
        parked = parked + 1
    end
end
if before == 0 and count > 0 then
    redis.call('PEXPIRE', KEYS[2], ARGV[10])
end
if parked > 0 then
    redis.call('PEXPIRE', KEYS[3], ARGV[10])
end
if #fresh > 0 then
    state = 'streaming'
end
last = bound
local stamp = string.format('%.0f', now)
local fields = {'count', count, 'bytes', bytes, 'top', top, 'parked', parked, 'touched', stamp}
local function set(field, value)
    fields[#fields + 1] = field
    fields[#fields + 1] = value
end
if said then
    set('last', said)
end
if ARGV[14] ~= '' then
    set('tokens', ARGV[14])
end
local due
if last and count == last + 1 then
    state = 'sealed'
    set('sealed', stamp)
    redis.call('PEXPIRE', KEYS[1], ARGV[11])
    redis.call('PEXPIRE', KEYS[2], ARGV[11])
    due = now + tonumber(ARGV[9])
else
    due = math.min(now + tonumber(ARGV[6]), tonumber(held[9]) + tonumber(ARGV[8]))
    if parked == 0 and not last then
        set('gap', '')
    else
        if not gap or count > before then
            gap = now
        end
        set('gap', string.format('%.0f', gap))
        due = math.min(due, gap + tonumber(ARGV[7]))
    end
end
set('state', state)
redis.call('HSET', KEYS[1], unpack(fields))
redis.call('ZADD', KEYS[4], due, ARGV[1])
if count > before or state == 'sealed' then
    redis.call('PUBLISH', ARGV[12], count)
end
return {'ok', state, count, #fresh, duplicates, parked}
