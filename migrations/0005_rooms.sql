-- Rooms: how many messages are in each, exactly, at no cost to writers.
--
-- A counter that each writer moves would be a row that all writers of a room wait for, until the one before has
-- committed. But the log has a row for each change already. So `feed.room` has the counts as a snapshot saw them, and
-- the counts at any time are those and the changes that this snapshot did not see: read in one statement, that is one
-- snapshot, so they are exact. Every now and then the leader folds the changes into the counts, and moves the snapshot on
-- (src/store/room), so that there are few of them to sum.
--
-- Nothing is counted here, which would take as long as there are messages: the first leader does it. Until then, and
-- wherever the log no longer has what the counts lack, `messages` itself is counted: slow, and as exact.

-- In the order of the bytes, so that it is the same order, and prefixes are ranges, whatever the locale is. Counts
-- change often: there is room for a row's next version beside it.
create table feed.room (
    room     text collate "C" primary key,
    messages bigint not null
) with (fillfactor = 50);

-- What the counts hold: all that is visible in `upto`, which is all up to `position`, and maybe more.
create table feed.counted (
    only_row   boolean     primary key default true check (only_row),
    generation integer     not null default 0,
    position   bigint      not null default 0,
    upto       pg_snapshot not null default pg_current_snapshot()
);
insert into feed.counted default values;

-- Whether the log has all that the counts lack. It has not where a leader of the version before, which knows nothing of
-- counts, has trimmed it; nor in another generation, where changes may be lost that were counted; nor in a restored
-- database whose transaction ids went back, before a leader has found that out.
create function feed.counts_hold() returns boolean language sql stable as $$
    select c.generation = t.generation and s.floor_position <= c.position
           and pg_snapshot_xmax(pg_current_snapshot()) >= pg_snapshot_xmax(c.upto)
      from feed.counted c, feed.state s, lateral (select generation from feed.tick order by tick desc limit 1) t
$$;

-- By how much the counts are to be changed. A row without a room says that all was truncated: then they begin at nothing.
-- A TRUNCATE excludes writers, so what came before it in any transaction has a lower id, and what came after a higher.
-- A function of its own, since the log's statistics are always stale, and mislead the planner into reading all of it.
create function feed.uncounted() returns table (room text, messages bigint) language sql stable
    set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
    with change as materialized (
        select l.id, l.op, l.room from feed.counted c, feed.log l where l.xid >= pg_snapshot_xmax(c.upto)
        union all
        -- Late committers: running when the snapshot was taken.
        select l.id, l.op, l.room from feed.counted c, feed.log l where l.xid = any (array(select pg_snapshot_xip(c.upto)))
    )
    select c.room, count(*) filter (where c.op = 'i') - count(*) filter (where c.op = 'd')
      from change c where c.id >= coalesce((select max(id) from change where op = 't'), 0)
     group by c.room having c.room is null or count(*) filter (where c.op = 'i') <> count(*) filter (where c.op = 'd')
$$;

-- The counts without all that.
create function feed.counted_anew() returns table (room text, messages bigint) language sql stable
    set enable_seqscan = off set enable_bitmapscan = off set jit = off as $$
    select room, count(*) from messages group by room
$$;
