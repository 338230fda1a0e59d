-- Ends a session, or takes a step towards it; what is over stays as it is.
-- KEYS[1..4]  the session, its log, its parked chunks; the sessions that are open, by their next deadline
-- ARGV[1..3]  id, the channel of its bell, what is to be done
-- ARGV[4..6]  milliseconds until it is forgotten: completed, failed or cancelled, sealed
-- ARGV[7]     milliseconds that a sealed session has to be written, before someone else tries
-- cancel:     ARGV[8..9]   who; '1' to keep what is there
-- fail:       ARGV[8..9]   the reason; the kind of a model's error, or ''
-- complete:   ARGV[8]      the number of the message; '' where it was written and is gone
-- reap:       ARGV[8..11]  milliseconds: of silence, that a chunk may be missing, of age, that writing may be tried
--             ARGV[12]     '1' for whoever writes it just now: it need not be due
-- Returns the state then, '' where there is none, 'early' where there is nothing to reap yet; and 1 if it is over by this.
local held = redis.call('HMGET', KEYS[1], 'state', 'count', 'last', 'parked', 'gap', 'born', 'touched', 'sealed', 'intent',
    'caller')
local state, verb = held[1], ARGV[3]
if not state then
    redis.call('ZREM', KEYS[4], ARGV[1])
    return {'', 0}
end
local open = state == 'created' or state == 'streaming'
if not open and state ~= 'sealed' then
    redis.call('ZREM', KEYS[4], ARGV[1])
    return {state, 0}
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local count = tonumber(held[2])

-- What is due is set anew, or nothing is. Where memory is full Redis refuses a script that begins with what takes some,
-- and lets one go on that has taken something away before: it is by ends that memory comes back.
local function due(at)
    redis.call('ZREM', KEYS[4], ARGV[1])
    if at then redis.call('ZADD', KEYS[4], at, ARGV[1]) end
end

local function over(to, keep_log, ...)
    due(nil)
    -- The caller may open another one. Only the session knows whose it is.
    if held[10] then redis.call('ZREM', KEYS[4] .. ':' .. held[10], ARGV[1]) end
    redis.call('HSET', KEYS[1], 'state', to, 'parked', 0, ...)
    redis.call('DEL', KEYS[3])
    local keep = ARGV[to == 'completed' and 4 or 5]
    if keep_log then
        redis.call('PEXPIRE', KEYS[2], keep)
    else
        redis.call('DEL', KEYS[2])
    end
    redis.call('PEXPIRE', KEYS[1], keep)
    redis.call('PUBLISH', ARGV[2], count)
    return {to, 1}
end

if verb == 'complete' then
    if open then return {state, 0} end
    local to = held[9] or 'completed'
    return over(to, false, 'message', ARGV[8])
end

if verb == 'fail' then
    -- A text that is whole fails only where it cannot be written.
    if not open and ARGV[8] ~= 'persist_failed' and ARGV[8] ~= 'empty' then return {state, 0} end
    return over('failed', ARGV[8] == 'persist_failed', 'reason', ARGV[8], 'kind', ARGV[9])
end

if verb == 'cancel' then
    if not open then return {state, 0} end
    if ARGV[9] ~= '1' or count == 0 then
        return over('cancelled', false, 'by', ARGV[8])
    end
    local bytes = tonumber(redis.call('HGET', KEYS[1], 'bytes'))
    for _, text in ipairs(redis.call('HVALS', KEYS[3])) do bytes = bytes - #text end
    due(now + tonumber(ARGV[7]))
    redis.call('HSET', KEYS[1], 'state', 'sealed', 'intent', 'cancelled', 'by', ARGV[8], 'last', count - 1,
        'bytes', bytes, 'parked', 0, 'sealed', string.format('%.0f', now))
    redis.call('DEL', KEYS[3])
    redis.call('PEXPIRE', KEYS[1], ARGV[6])
    redis.call('PEXPIRE', KEYS[2], ARGV[6])
    redis.call('PUBLISH', ARGV[2], count)
    return {'sealed', 0}
end

-- reap
if state == 'sealed' then
    local leased = tonumber(redis.call('ZSCORE', KEYS[4], ARGV[1]) or 0)
    if ARGV[12] ~= '1' and leased > now then return {'early', 0} end
    if now - tonumber(held[8]) >= tonumber(ARGV[11]) then
        return over('failed', true, 'reason', 'persist_failed')
    end
    due(now + tonumber(ARGV[7]))
    return {'sealed', 0}
end
local gap = tonumber(held[5])
local silent, old = tonumber(held[7]) + tonumber(ARGV[8]), tonumber(held[6]) + tonumber(ARGV[10])
local missing = gap and gap + tonumber(ARGV[9])
if now >= old then
    return over('failed', false, 'reason', 'max_age')
end
if missing and now >= missing then
    local numbers, top = {}, tonumber(held[3]) or tonumber(redis.call('HGET', KEYS[1], 'top'))
    for number = count, top do
        if redis.call('HEXISTS', KEYS[3], number) == 0 then numbers[#numbers + 1] = number end
        -- No more than anybody reads.
        if #numbers == 100 then break end
    end
    return over('failed', false, 'reason', 'missing_chunk', 'missing', table.concat(numbers, ','))
end
if now >= silent then
    return over('failed', false, 'reason', 'producer_timeout')
end
due(math.min(silent, old, missing or silent))
return {'early', 0}
