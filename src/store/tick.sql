-- Cuts what is new in the log into ticks. One statement, so one snapshot: what it sees is what `upto` says.
-- What a row takes in the log is about its content, unless that was too large to log, and 200 bytes.
-- $1 the most rows in a slice, $2 about the most bytes of content in a slice.
with last as (
    select * from feed.tick order by tick desc limit 1
), fresh as (
    select l.id, l.op, l.at, l.content_bytes, l.content is null as omitted from last, feed.log l
     where l.xid >= pg_snapshot_xmax(last.upto) and l.xid < pg_snapshot_xmax(pg_current_snapshot())
    union all
    -- Late committers: running when the last snapshot was taken.
    select l.id, l.op, l.at, l.content_bytes, l.content is null as omitted from last, feed.log l
     where l.xid = any (array(select pg_snapshot_xip(last.upto)))
), ranked as (
    select id, op, at, row_number() over w as rank, sum(content_bytes) over w as bytes,
           200 + case when omitted then 0 else content_bytes end as held
      from fresh window w as (order by id)
), cut as (
    select min(id) as first_id, max(id) as last_id, min(rank) as first_rank, count(*) as count,
           max(rank) filter (where op = 'i') as new,
           max(rank) filter (where op = 'u') as updated,
           max(rank) filter (where op in ('d', 't')) as deleted,
           sum(held) as held, min(at) as oldest
      from ranked group by (rank - 1) / $1 + bytes / $2
), slice as (
    select *, row_number() over o as nth, count(*) over () as slices,
           max(new) over before as new_before, max(new) over o as new_after,
           max(updated) over before as updated_before, max(updated) over o as updated_after,
           max(deleted) over before as deleted_before, max(deleted) over o as deleted_after,
           sum(held) over o as held_after
      from cut
    window o as (order by first_id),
           before as (order by first_id rows between unbounded preceding and 1 preceding)
)
insert into feed.tick (tick, generation, since, upto, first_id, last_id, first_position, count,
                       new_before, updated_before, deleted_before, new_after, updated_after, deleted_after,
                       bytes_after, sliced)
select last.tick + s.nth, last.generation, last.upto, pg_current_snapshot(), s.first_id, s.last_id,
       base.position + s.first_rank, s.count,
       coalesce(base.position + s.new_before, last.new_after),
       coalesce(base.position + s.updated_before, last.updated_after),
       coalesce(base.position + s.deleted_before, last.deleted_after),
       coalesce(base.position + s.new_after, last.new_after),
       coalesce(base.position + s.updated_after, last.updated_after),
       coalesce(base.position + s.deleted_after, last.deleted_after),
       last.bytes_after + s.held_after, s.slices > 1
  from slice s, last, lateral (select last.first_position + last.count - 1 as position) base
returning generation, first_position + count - 1, (select min(oldest) from cut)
