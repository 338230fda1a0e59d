-- Remembers what is done under a key, and then what came of it; what is remembered already stays.
-- KEYS[1]     the record
-- ARGV[1..2]  the digest of what is to be done, the number under which it is done
-- ARGV[3]     for how long it is remembered, in milliseconds
-- ARGV[4]     what came of it; '' if that is not known yet
-- Returns what is remembered: digest, number, and what came of it if that is known.
if redis.call('EXISTS', KEYS[1]) == 0 then
    redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'number', ARGV[2])
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
if ARGV[4] ~= '' and redis.call('HGET', KEYS[1], 'number') == ARGV[2] then
    redis.call('HSETNX', KEYS[1], 'outcome', ARGV[4])
end
return redis.call('HMGET', KEYS[1], 'digest', 'number', 'outcome')
