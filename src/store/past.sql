-- The log's extent, and the changes of the first ticks that reach past position $1: whole ticks, $2 changes or more
-- where there are so many, but after the first one only as long as they have less than $4 bytes. Content above $3
-- bytes is left out.
with extent as (
    select s.floor_position as floor, t.generation, t.first_position + t.count - 1 as head
      from feed.state s cross join lateral (select * from feed.tick order by tick desc limit 1) t
), near as (
    select *, sum(count) over o - count as before, bytes_after - first_value(bytes_after) over o as bytes
      from (select * from feed.tick where first_position + count > $1 + 1
             order by first_position + count limit $2) n
    window o as (order by first_position + count, tick)
), picked as (
    select * from near where before < $2 and bytes < $4
)
select e.generation, e.floor, e.head, c.*
  from extent e left join lateral (
    select p.tick, p.generation as tick_generation, p.first_position, p.new_before, p.updated_before, p.deleted_before,
           l.id as log_id, l.op::text as op, l.message_id, l.room,
           case when l.content_bytes <= $3 then l.content end as content, l.content_bytes,
           l.file, l.created_date, l.updated_date, l.sender_id, l.session_id, l.xid::text as transaction, l.at
      from picked p
      cross join lateral feed.changes_of(p.since, p.upto, p.first_id, p.last_id, p.sliced) l
  ) c on true
 order by c.tick, c.log_id
