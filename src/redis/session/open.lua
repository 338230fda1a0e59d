-- Opens a session, if there is room for one more; the same again finds it open.
-- KEYS[1..4]  the session, its log, its parked chunks; the sessions that are open, by their next deadline
-- KEYS[5]     the sessions that the same caller has open, by when they are forgotten whatever happens
-- ARGV[1..5]  id, owner, sender, room, the producer's token
-- ARGV[6]     the most that are open
-- ARGV[7..9]  milliseconds: of silence, of age, until it is forgotten whatever happens
-- ARGV[10]    the most that one caller has open; 0 where that is not counted
-- ARGV[11]    who calls, as it is counted
-- Returns 'new' or 'there' with token, count of chunks, milliseconds since 1970 when it was opened, and its state; or
-- 'taken', where it is another one or over; or 'full'; or 'many', where the caller has its most.
local held = redis.call('HMGET', KEYS[1], 'owner', 'sender', 'room', 'state', 'token', 'count', 'born')
if held[4] then
    local open = held[4] == 'created' or held[4] == 'streaming' or held[4] == 'sealed'
    if open and held[1] == ARGV[2] and held[2] == ARGV[3] and held[3] == ARGV[4] then
        return {'there', held[5], held[6], held[7], held[4]}
    end
    return {'taken'}
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local each = tonumber(ARGV[10])
if each > 0 and redis.call('ZCOUNT', KEYS[5], now, '+inf') >= each then
    return {'many'}
end
if redis.call('ZCARD', KEYS[4]) >= tonumber(ARGV[6]) then
    return {'full'}
end
local born = string.format('%.0f', now)
-- First of all: where memory is full this is refused, and nothing has been done.
redis.call('HSET', KEYS[1], 'state', 'created', 'owner', ARGV[2], 'sender', ARGV[3], 'room', ARGV[4], 'token', ARGV[5],
    'count', 0, 'bytes', 0, 'top', -1, 'parked', 0, 'born', born, 'touched', born)
redis.call('PEXPIRE', KEYS[1], ARGV[9])
-- Of what Redis has lost, something may be left.
redis.call('DEL', KEYS[2], KEYS[3])
redis.call('ZADD', KEYS[4], now + math.min(ARGV[7], ARGV[8]), ARGV[1])
if each > 0 then
    redis.call('HSET', KEYS[1], 'caller', ARGV[11])
    redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now)
    redis.call('ZADD', KEYS[5], now + tonumber(ARGV[9]), ARGV[1])
    redis.call('PEXPIRE', KEYS[5], ARGV[9])
end
return {'new', ARGV[5], 0, born, 'created'}
