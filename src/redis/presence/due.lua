-- The rooms in which somebody's time is over.
-- KEYS[2]  all rooms, by the instant at which the first in them has to be heard of again
-- ARGV[2]  how many at most
return redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[2])
