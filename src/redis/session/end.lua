-- Ends a session, or takes a step towards it; what is over stays as it is.
-- KEYS[1..4]  the session, its log, its parked chunks; the sessions that are open, by their next deadline
-- ARGV[1..3]  id, the channel of its bell, what is to be done: one of the steps below
-- ARGV[4..6]  milliseconds until it is forgotten: completed, failed or cancelled, sealed
-- ARGV[7]     milliseconds that a sealed session has to be written, before someone else tries
-- ARGV[8..]   what the step takes
-- Returns the state then, '' where there is none, 'early' where there is nothing to reap yet; and 1 if it is over by this.
local session, log, waiting, open = unpack(KEYS)
local id, channel, step, keep_completed, keep_ended, keep_sealed = unpack(ARGV, 1, 6)
local lease = tonumber(ARGV[7])
local state, count, intent, caller = unpack(redis.call('HMGET', session, 'state', 'count', 'intent', 'caller'))
local sealed = state == 'sealed'
if not sealed and state ~= 'created' and state ~= 'streaming' then
    redis.call('ZREM', open, id)
    return {state or '', 0}
end
count = tonumber(count)
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- What is due is set anew, or nothing is. Where memory is full Redis refuses a script that begins with what takes some,
-- and lets one go on that has taken something away before: it is by ends that memory comes back.
local function due(at)
    redis.call('ZREM', open, id)
    if at then
        redis.call('ZADD', open, at, id)
    end
end

local function over(to, keep_log, ...)
    due(nil)
    -- The caller may open another one. Only the session knows whose it is.
    if caller then
        redis.call('ZREM', open .. ':' .. caller, id)
    end
    redis.call('HSET', session, 'state', to, 'parked', 0, ...)
    redis.call('DEL', waiting)
    local keep = to == 'completed' and keep_completed or keep_ended
    redis.call('PEXPIRE', session, keep)
    if keep_log then
        redis.call('PEXPIRE', log, keep)
    else
        redis.call('DEL', log)
    end
    redis.call('PUBLISH', channel, count)
    return {to, 1}
end

local steps = {}

-- Its text is written, as the message with this number; '' where that is gone again.
function steps.complete(message)
    if not sealed then
        return {state, 0}
    end
    return over(intent or 'completed', false, 'message', message)
end

-- For this reason; '' or the kind of a model's error. A text that is whole fails only where it cannot be written.
function steps.fail(reason, kind)
    if sealed and reason ~= 'persist_failed' and reason ~= 'empty' then
        return {state, 0}
    end
    return over('failed', reason == 'persist_failed', 'reason', reason, 'kind', kind)
end

-- By this one; '1' to keep what is there without a hole, which is sealed then as if it were all, unless it is nothing.
function steps.cancel(by, keep)
    if sealed then
        return {state, 0}
    end
    local bytes = tonumber(redis.call('HGET', session, 'bytes'))
    for _, text in ipairs(redis.call('HVALS', waiting)) do
        bytes = bytes - #text
    end
    if keep ~= '1' or bytes == 0 then
        return over('cancelled', false, 'by', by)
    end
    due(now + lease)
    redis.call('HSET', session, 'state', 'sealed', 'intent', 'cancelled', 'by', by, 'last', count - 1, 'bytes', bytes,
        'parked', 0, 'sealed', string.format('%.0f', now))
    redis.call('DEL', waiting)
    redis.call('PEXPIRE', session, keep_sealed)
    redis.call('PEXPIRE', log, keep_sealed)
    redis.call('PUBLISH', channel, count)
    return {'sealed', 0}
end

-- If its time is up. Milliseconds: of silence, that a chunk may be missing, of age, that writing may be tried; '1' for
-- whoever writes it just now: then it need not be due.
function steps.reap(idle, missing, age, persist, held)
    local born, touched, gap, last, top, since = unpack(redis.call('HMGET', session, 'born', 'touched', 'gap', 'last',
        'top', 'sealed'))
    if sealed then
        local leased = tonumber(redis.call('ZSCORE', open, id) or 0)
        if held ~= '1' and leased > now then
            return {'early', 0}
        elseif now >= since + persist then
            return over('failed', true, 'reason', 'persist_failed')
        end
        due(now + lease)
        return {'sealed', 0}
    end
    local old, silent = born + age, touched + idle
    local late = tonumber(gap) and gap + missing
    if now >= old then
        return over('failed', false, 'reason', 'max_age')
    elseif late and now >= late then
        local numbers = {}
        for number = count, tonumber(last) or tonumber(top) do
            if redis.call('HEXISTS', waiting, number) == 0 then
                numbers[#numbers + 1] = number
            end
            -- No more than anybody reads.
            if #numbers == 100 then break end
        end
        return over('failed', false, 'reason', 'missing_chunk', 'missing', table.concat(numbers, ','))
    elseif now >= silent then
        return over('failed', false, 'reason', 'producer_timeout')
    end
    due(math.min(silent, old, late or silent))
    return {'early', 0}
end

return steps[step](unpack(ARGV, 8))
