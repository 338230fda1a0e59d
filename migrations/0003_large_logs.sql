-- How much the log holds, in bytes, so that it can be bounded: each tick knows the sum up to its end, and the state knows
-- the sum up to the floor. What lies between the two is there.
alter table feed.tick add column bytes_after bigint not null default 0;
alter table feed.state add column floor_bytes bigint not null default 0;

-- Whether the tick is one slice of several with the same snapshots.
alter table feed.tick add column sliced boolean not null default false;

-- The rows of a tick. Those of a whole tick are neighbours by transaction. Those of a slice are not: a statement of a
-- hundred thousand rows has a hundred slices, and each must not look at the rows of all. So for a slice the transactions
-- are found first, each by one step through the index, and then the rows of each.
create function feed.changes_of(since pg_snapshot, upto pg_snapshot, first_id bigint, last_id bigint, sliced boolean)
returns setof feed.log language sql stable as $$
    select l.* from feed.log l
     where not sliced and l.xid >= pg_snapshot_xmax(since) and l.xid < pg_snapshot_xmax(upto)
       and pg_visible_in_snapshot(l.xid, upto) and l.id between first_id and last_id
    union all
    select l.* from
        (with recursive transaction (xid) as (
            (select l.xid from feed.log l
              where sliced and l.xid >= pg_snapshot_xmax(since) and l.xid < pg_snapshot_xmax(upto)
              order by l.xid limit 1)
            union all
            select (select l.xid from feed.log l
                     where l.xid > t.xid and l.xid < pg_snapshot_xmax(upto) order by l.xid limit 1)
              from transaction t where t.xid is not null)
         select xid from transaction where pg_visible_in_snapshot(xid, upto)) t
        cross join lateral (select * from feed.log l where l.xid = t.xid and l.id between first_id and last_id) l
    union all
    -- Late committers: running when the last snapshot was taken.
    select l.* from feed.log l
     where l.xid = any (array(select pg_snapshot_xip(since)))
       and pg_visible_in_snapshot(l.xid, upto) and l.id between first_id and last_id
$$;
