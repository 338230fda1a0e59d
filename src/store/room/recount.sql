-- Counts anew. One statement, so one snapshot: what it sees is what `upto` says, and no writer needs to be held up.
with counted as materialized (
    select room collate "C" as room, messages from feed.counted_anew()
), gone as (
    delete from feed.room r where not exists (select from counted c where c.room = r.room)
), kept as (
    insert into feed.room select room, messages from counted
    on conflict (room) do update set messages = excluded.messages
)
update feed.counted
   set generation = t.generation, position = t.first_position + t.count - 1, upto = pg_current_snapshot()
  from (select * from feed.tick order by tick desc limit 1) t
