-- Gives a session's producer another token: the old one is worth nothing any more.
-- KEYS[1]  the session
-- ARGV[1]  the token
-- Returns 'ok' with how many chunks are there and their state; 'closed' where no more chunks are taken; or 'unknown'.
local held = redis.call('HMGET', KEYS[1], 'state', 'count')
if not held[1] then
    return {'unknown', 0, ''}
elseif held[1] ~= 'created' and held[1] ~= 'streaming' then
    return {'closed', held[2], held[1]}
end
redis.call('HSET', KEYS[1], 'token', ARGV[1])
return {'ok', held[2], held[1]}
