-- Folds all that was committed into the counts, if they hold. One statement, so one snapshot: what it sees is what `upto`
-- says.
with state as materialized (
    select coalesce(feed.counts_hold(), false) as counted
), change as materialized (
    select u.room collate "C" as room, u.messages from feed.uncounted() u where (select counted from state)
), emptied as materialized (
    select exists (select from change where room is null) as yes
), sum as materialized (
    select c.room, c.messages + coalesce(r.messages, 0) as messages
      from change c left join feed.room r on r.room = c.room and not (select yes from emptied)
     where c.room is not null
), gone as (
    delete from feed.room r using sum s where r.room = s.room and s.messages <= 0
), truncated as (
    delete from feed.room r where (select yes from emptied) and not exists (select from sum s where s.room = r.room)
), kept as (
    insert into feed.room select room, messages from sum where messages > 0
    on conflict (room) do update set messages = excluded.messages
)
update feed.counted set position = t.first_position + t.count - 1, upto = pg_current_snapshot()
  from (select * from feed.tick order by tick desc limit 1) t where (select counted from state)
