-- The feed: every change of `messages`, in an order that can be proved complete.
--
-- A trigger appends each change to `feed.log` in the writer's own transaction. The relay (one leader) then cuts the
-- log into ticks: a tick is "what snapshot `upto` sees and snapshot `since` did not", ordered by id. The position of a
-- change is its tick's first position plus its rank. Log and ticks are insert-only; a position, once committed, never
-- moves. See src/relay for why neither `id > last` nor (xid, id) would do.
create schema feed;

-- CACHE 1 (the default) matters: two changes of one row get their ids under that row's lock, so ids are in row order.
create sequence feed.log_id as bigint cache 1;

-- Is the relay awake? Read outside MVCC, so that a writer sees the relay fall asleep at once.
create sequence feed.awake as smallint minvalue 0 maxvalue 1 start 0;

create table feed.log (
    id            bigint      not null default nextval('feed.log_id'),
    xid           xid8        not null default pg_current_xact_id(),
    op            "char"      not null check (op in ('i', 'u', 'd', 't')),
    message_id    bigint,
    room          text,
    content       text,        -- null where it was too large to log; read it from `messages`
    content_bytes integer     not null default 0,
    file          text,
    created_date  timestamptz,
    updated_date  timestamptz,
    sender_id     uuid,
    at            timestamptz not null default clock_timestamp(),
    primary key (xid, id)
);

create table feed.generation (
    generation        integer     primary key,
    system_identifier bigint      not null,
    timeline          integer     not null,
    reason            text        not null,
    since             timestamptz not null default now()
);

-- One row holds all it takes to render its changes again: no tick depends on another.
create table feed.tick (
    tick           bigint      primary key,          -- also the fence: two leaders cannot insert the same tick
    generation     integer     not null references feed.generation,
    since          pg_snapshot not null,
    upto           pg_snapshot not null,
    first_id       bigint      not null,             -- a large difference is cut into slices by id,
    last_id        bigint      not null,             -- never by xid: that would break the order of one row
    first_position bigint      not null,
    count          integer     not null,
    -- The last position on each channel before this tick and after it, for `prev` in the payload.
    new_before     bigint, updated_before bigint, deleted_before bigint,
    new_after      bigint, updated_after  bigint, deleted_after  bigint,
    at             timestamptz not null default clock_timestamp()
);
create index tick_end on feed.tick ((first_position + count));

create table feed.state (
    only_row       boolean     primary key default true check (only_row),
    floor_position bigint      not null default 0,   -- positions up to this one are gone for good
    leader         text,
    leader_pid     integer,
    leader_seen    timestamptz
);
insert into feed.state default values;

-- Statement triggers with transition tables: half the cost of row triggers, and a bulk statement stays one insert.
-- Everything is inline: a call of a nested SQL function would cost more than the rest of the trigger.
--
-- The bell: NOTIFY takes a cluster-wide lock until the commit is flushed, so it rings only while the relay sleeps. The
-- flag is read after the insert: by then this transaction holds its lock on feed.log, and a relay that goes to sleep
-- looks for such locks after it has lowered the flag. One of the two always notices the other.
--
-- Settings a writer (or ALTER DATABASE … SET) may give:
--   feed.inline_bytes  content above this many bytes is not copied into the log (default 262144)
--   feed.notify        'off' for writers that use PREPARE TRANSACTION, where NOTIFY is not allowed
create function feed.on_insert() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    inline_bytes constant integer := coalesce(nullif(current_setting('feed.inline_bytes', true), ''), '262144');
begin
    insert into feed.log (op, message_id, room, content, content_bytes, file, created_date, updated_date, sender_id)
    select 'i', n.id, n.room, case when octet_length(n.content) <= inline_bytes then n.content end,
           octet_length(n.content), n.file, n.created_date, n.updated_date, n.sender_id
      from added n order by n.id;
    if found and (select last_value from feed.awake) = 0
       and current_setting('feed.notify', true) is distinct from 'off' then
        perform pg_notify('feed_wake', '');
    end if;
    return null;
end $$;

create function feed.on_update() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    inline_bytes constant integer := coalesce(nullif(current_setting('feed.inline_bytes', true), ''), '262144');
begin
    -- A changed key is a deletion and an insertion, deletions first. So is a changed room: who follows only the old one
    -- must see the message go. A row that is as it was is nothing.
    insert into feed.log (op, message_id, room, content, content_bytes, file, created_date, updated_date, sender_id)
    select (case when o.id is null then 'i' when n.id is null then 'd' else 'u' end)::"char",
           r.id, r.room, case when octet_length(r.content) <= inline_bytes then r.content end,
           octet_length(r.content), r.file, r.created_date, r.updated_date, r.sender_id
      from gone o full join added n on n.id = o.id and n.room = o.room
      cross join lateral (
          select n.id, n.room, n.content, n.file, n.created_date, n.updated_date, n.sender_id where n.id is not null
          union all
          select o.id, o.room, o.content, o.file, o.created_date, o.updated_date, o.sender_id where n.id is null) r
     where o is distinct from n
     order by (n.id is null) desc, r.id;
    if found and (select last_value from feed.awake) = 0
       and current_setting('feed.notify', true) is distinct from 'off' then
        perform pg_notify('feed_wake', '');
    end if;
    return null;
end $$;

create function feed.on_delete() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    inline_bytes constant integer := coalesce(nullif(current_setting('feed.inline_bytes', true), ''), '262144');
begin
    insert into feed.log (op, message_id, room, content, content_bytes, file, created_date, updated_date, sender_id)
    select 'd', o.id, o.room, case when octet_length(o.content) <= inline_bytes then o.content end,
           octet_length(o.content), o.file, o.created_date, o.updated_date, o.sender_id
      from gone o order by o.id;
    if found and (select last_value from feed.awake) = 0
       and current_setting('feed.notify', true) is distinct from 'off' then
        perform pg_notify('feed_wake', '');
    end if;
    return null;
end $$;

create function feed.on_truncate() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    insert into feed.log (op) values ('t');
    if (select last_value from feed.awake) = 0
       and current_setting('feed.notify', true) is distinct from 'off' then
        perform pg_notify('feed_wake', '');
    end if;
    return null;
end $$;

create trigger feed_insert after insert on messages
    referencing new table as added for each statement execute function feed.on_insert();
create trigger feed_update after update on messages
    referencing old table as gone new table as added for each statement execute function feed.on_update();
create trigger feed_delete after delete on messages
    referencing old table as gone for each statement execute function feed.on_delete();
create trigger feed_truncate after truncate on messages
    for each statement execute function feed.on_truncate();

-- Fire for writers in session_replication_role = replica too.
alter table messages enable always trigger feed_insert;
alter table messages enable always trigger feed_update;
alter table messages enable always trigger feed_delete;
alter table messages enable always trigger feed_truncate;

-- The first generation begins here, with the triggers in place.
insert into feed.generation (generation, system_identifier, timeline, reason)
select 1, s.system_identifier, ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer, 'created'
  from pg_control_system() s;

insert into feed.tick (tick, generation, since, upto, first_id, last_id, first_position, count)
values (0, 1, pg_current_snapshot(), pg_current_snapshot(), 0, 0, 1, 0);
