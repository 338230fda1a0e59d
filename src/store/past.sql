-- The log's extent, and the changes of the first ticks that reach past position $1: whole ticks, $2 changes or more
-- where there are so many. Content above $3 bytes is left out.
with extent as (
    select s.floor_position as floor, t.generation, t.first_position + t.count - 1 as head
      from feed.state s cross join lateral (select * from feed.tick order by tick desc limit 1) t
), near as (
    select *, sum(count) over (order by first_position + count, tick) - count as before
      from (select * from feed.tick where first_position + count > $1 + 1
             order by first_position + count limit $2) n
), picked as (
    select * from near where before < $2
)
select e.generation, e.floor, e.head, c.*
  from extent e left join lateral (
    select p.tick, p.generation as tick_generation, p.first_position, p.new_before, p.updated_before, p.deleted_before,
           l.id as log_id, l.op::text as op, l.message_id, l.room,
           case when l.content_bytes <= $3 then coalesce(l.content, m.content) end as content,
           l.file, l.created_date, l.updated_date, l.sender_id, l.xid::text as transaction, l.at
      from picked p
      cross join lateral (
        select l.* from feed.log l
         where l.xid >= pg_snapshot_xmax(p.since) and l.xid < pg_snapshot_xmax(p.upto)
           and pg_visible_in_snapshot(l.xid, p.upto) and l.id between p.first_id and p.last_id
        union all
        select l.* from feed.log l
         where l.xid = any (array(select pg_snapshot_xip(p.since)))
           and pg_visible_in_snapshot(l.xid, p.upto) and l.id between p.first_id and p.last_id) l
      -- Too large to be logged: still there, unless the row was changed again. Then a later change tells.
      left join messages m on l.content is null and l.op in ('i', 'u') and m.id = l.message_id
           and m.updated_date is not distinct from l.updated_date
           and octet_length(m.content) = l.content_bytes and l.content_bytes <= $3
  ) c on true
 order by c.tick, c.log_id
