-- A reply that was written in a session is an ordinary row that names its session, so that it is written once however
-- often that is tried. Who writes rows of other kinds need not know of it: it is null, and the index has no entry.
--
-- Only additions: nodes of the version before go on with them, and tell the same changes without the new field. The
-- index is built while writers wait, which takes one reading of the table. To build it concurrently would need no
-- transaction, and would wait for the other nodes that wait for the migration.
alter table messages add column session_id uuid;
create unique index messages_session on messages (session_id) where session_id is not null;

alter table feed.log add column session_id uuid;

create or replace trigger messages_touch before update on messages for each row
    when ((old.id, old.room, old.content, old.file, old.created_date, old.sender_id, old.session_id)
          is distinct from
          (new.id, new.room, new.content, new.file, new.created_date, new.sender_id, new.session_id))
    execute function messages_touch();

-- The functions of 0002, which says why they are as they are; now with the session.
create or replace function feed.on_insert() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    inline_bytes constant integer := coalesce(nullif(current_setting('feed.inline_bytes', true), ''), '262144');
begin
    insert into feed.log (op, message_id, room, content, content_bytes, file, created_date, updated_date, sender_id,
                          session_id)
    select 'i', n.id, n.room, case when octet_length(n.content) <= inline_bytes then n.content end,
           octet_length(n.content), n.file, n.created_date, n.updated_date, n.sender_id, n.session_id
      from added n order by n.id;
    if found and (select last_value from feed.awake) = 0
       and current_setting('feed.notify', true) is distinct from 'off' then
        perform pg_notify('feed_wake', '');
    end if;
    return null;
end $$;

create or replace function feed.on_update() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    inline_bytes constant integer := coalesce(nullif(current_setting('feed.inline_bytes', true), ''), '262144');
begin
    insert into feed.log (op, message_id, room, content, content_bytes, file, created_date, updated_date, sender_id,
                          session_id)
    select (case when o.id is null then 'i' when n.id is null then 'd' else 'u' end)::"char",
           r.id, r.room, case when octet_length(r.content) <= inline_bytes then r.content end,
           octet_length(r.content), r.file, r.created_date, r.updated_date, r.sender_id, r.session_id
      from gone o full join added n on n.id = o.id and n.room = o.room
      cross join lateral (
          select n.id, n.room, n.content, n.file, n.created_date, n.updated_date, n.sender_id, n.session_id
           where n.id is not null
          union all
          select o.id, o.room, o.content, o.file, o.created_date, o.updated_date, o.sender_id, o.session_id
           where n.id is null) r
     where o is distinct from n
     order by (n.id is null) desc, r.id;
    if found and (select last_value from feed.awake) = 0
       and current_setting('feed.notify', true) is distinct from 'off' then
        perform pg_notify('feed_wake', '');
    end if;
    return null;
end $$;

create or replace function feed.on_delete() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    inline_bytes constant integer := coalesce(nullif(current_setting('feed.inline_bytes', true), ''), '262144');
begin
    insert into feed.log (op, message_id, room, content, content_bytes, file, created_date, updated_date, sender_id,
                          session_id)
    select 'd', o.id, o.room, case when octet_length(o.content) <= inline_bytes then o.content end,
           octet_length(o.content), o.file, o.created_date, o.updated_date, o.sender_id, o.session_id
      from gone o order by o.id;
    if found and (select last_value from feed.awake) = 0
       and current_setting('feed.notify', true) is distinct from 'off' then
        perform pg_notify('feed_wake', '');
    end if;
    return null;
end $$;
