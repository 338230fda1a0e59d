-- A page of rooms, by name, each with the number of its messages and the last of them. One statement, so one snapshot.
-- $1, $2, $3 the ranges and patterns of the names that are allowed; $4 the name after which the page begins; $5 what all
-- names begin with; $6 the most rooms; $7 about the most bytes of content: as much as there is room for, and one at least.
with state as materialized (
    select coalesce(feed.counts_hold(), false) as counted
), change as materialized (
    select u.room collate "C" as room, u.messages from feed.uncounted() u where (select counted from state)
), emptied as materialized (
    select exists (select from change where room is null) as yes
), allowed as materialized (
    select * from unnest($1::text[], $2::text[], $3::text[]) as allowed (low, high, pattern)
), name as (
    -- Rooms that were there. Only such as have lost messages since may be gone.
    select r.room
      from allowed a cross join lateral (
          select room from feed.room r
           where (select counted from state) and not (select yes from emptied)
             and room > $4 and room >= $5 and room < $5 || '~'
             and room >= a.low and room <= a.high and room like a.pattern
           order by room limit $6 + (select count(*) from change where messages < 0)) r
    union
    select room from change where messages > 0
), counted as (
    select n.room, coalesce(r.messages, 0) + coalesce(c.messages, 0) as messages
      from name n
      left join feed.room r on r.room = n.room and not (select yes from emptied)
      left join change c on c.room = n.room
    union all
    select room collate "C", messages from feed.counted_anew() where not (select counted from state)
), chosen as (
    select * from counted c
     where messages > 0 and room > $4 and room >= $5 and room < $5 || '~'
       and exists (select from allowed a where c.room >= a.low and c.room <= a.high and c.room like a.pattern)
     order by room limit $6
), page as (
    select c.room as name, c.messages, last.*, count(*) over () as chosen,
           sum(octet_length(last.content)) over (order by c.room rows between unbounded preceding and current row) as bytes
      from chosen c cross join lateral (
          select * from messages m where m.room = c.room collate "default"
           order by created_date desc, id desc limit 1) last
)
select messages, id, room, content, file, created_date, updated_date, sender_id, session_id, chosen
  from page where bytes <= $7 or bytes = octet_length(content) order by name
