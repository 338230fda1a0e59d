-- Appends a batch of chunks: all of it, or nothing. Chunks that come too early are parked, those that are there are
-- passed over, and the last one seals the session.
-- KEYS[1..4]    the session, its log, its parked chunks; the sessions that are open, by their next deadline
-- ARGV[1..3]    id, the producer's token, the channel of the session's bell
-- ARGV[4..6]    how far a chunk may be ahead of the first that is missing, the most chunks, the most bytes
-- ARGV[7..10]   milliseconds: of silence, that a chunk may be missing, of age, that a sealed session has to be written
-- ARGV[11..12]  milliseconds until it is forgotten: open, sealed
-- ARGV[13..14]  the number of the last chunk, how many tokens there are; '' if that is not said
-- ARGV[15..]    for each chunk: its number, its text
-- Returns 'ok', the state, and how many chunks are there, were new, were there already, are parked. Or what is wrong,
-- and how many chunks are there.
local session, log, waiting, open = unpack(KEYS)
local id, token, channel = unpack(ARGV, 1, 3)
local window, most_chunks, most_bytes = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local idle, missing, age, lease = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local keep_open, keep_sealed, said, tokens = ARGV[11], ARGV[12], tonumber(ARGV[13]), ARGV[14]

-- What is there, and whether this producer may add to it.
local state, its_token, intent, count, bytes, top, parked, born, last, gap = unpack(redis.call('HMGET', session,
    'state', 'token', 'intent', 'count', 'bytes', 'top', 'parked', 'born', 'last', 'gap'))
if not state then
    return {'unknown', 0}
end
count, bytes, top, parked = tonumber(count), tonumber(bytes), tonumber(top), tonumber(parked)
born, last, gap = tonumber(born), tonumber(last), tonumber(gap)
local function refuse(why)
    return {why, count}
end
if token ~= its_token then
    return refuse('fenced')
elseif state == 'failed' or state == 'cancelled' or intent then
    return refuse('closed')
end

-- What of the batch is new, and whether all of it may be. Where the text is whole, only what is there may be.
local whole = state == 'sealed' or state == 'completed'
if said and whole and said ~= last then
    return refuse('closed')
elseif said and not whole and (said < top or last and said ~= last) then
    return refuse('final_conflict')
end
last = last or said
local fresh, seen, duplicates = {}, {}, 0
for item = 15, #ARGV, 2 do
    local number, text = tonumber(ARGV[item]), ARGV[item + 1]
    if last and number > last then
        return refuse(whole and 'closed' or 'beyond_final')
    elseif number >= most_chunks then
        return refuse('too_many')
    elseif number > count + window then
        return refuse('window')
    elseif number < count or seen[number] or parked > 0 and redis.call('HEXISTS', waiting, ARGV[item]) == 1 then
        duplicates = duplicates + 1
    else
        seen[number] = true
        bytes = bytes + #text
        fresh[#fresh + 1] = {number, text}
    end
end
if bytes > most_bytes then
    return refuse('too_large')
elseif said and said >= most_chunks then
    return refuse('too_many')
elseif whole then
    return {'ok', state, count, 0, duplicates, parked}
end

-- Nothing is refused any more: what comes next goes into the log, with all that has waited for it.
local before = count
for _, chunk in ipairs(fresh) do
    local number, text = unpack(chunk)
    top = math.max(top, number)
    if number > count then
        redis.call('HSET', waiting, number, text)
        parked = parked + 1
    else
        repeat
            count = count + 1
            redis.call('XADD', log, count .. '-0', 'c', text)
            text = parked > 0 and redis.call('HGET', waiting, count)
            if text then
                redis.call('HDEL', waiting, count)
                parked = parked - 1
            end
        until not text
    end
end
if before == 0 and count > 0 then
    redis.call('PEXPIRE', log, keep_open)
end
if parked > 0 then
    redis.call('PEXPIRE', waiting, keep_open)
end

-- What is known of it now, and when somebody is to look.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function exact(time)
    return string.format('%.0f', time)
end
local due
if last and count == last + 1 then
    state, due = 'sealed', now + lease
    redis.call('HSET', session, 'sealed', exact(now))
    redis.call('PEXPIRE', session, keep_sealed)
    redis.call('PEXPIRE', log, keep_sealed)
else
    state = #fresh > 0 and 'streaming' or state
    due = math.min(now + idle, born + age)
    if parked == 0 and not last then
        gap = nil
    else
        -- One is missing: since it was the first to be missed.
        gap = count == before and gap or now
        due = math.min(due, gap + missing)
    end
end
redis.call('HSET', session, 'state', state, 'count', count, 'bytes', bytes, 'top', top, 'parked', parked,
    'touched', exact(now), 'gap', gap and exact(gap) or '')
if said then
    redis.call('HSET', session, 'last', said)
end
if tokens ~= '' then
    redis.call('HSET', session, 'tokens', tokens)
end
redis.call('ZADD', open, due, id)
if count > before or state == 'sealed' then
    redis.call('PUBLISH', channel, count)
end
return {'ok', state, count, #fresh, duplicates, parked}
