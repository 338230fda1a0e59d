-- Writers in plain SQL: each statement below is seen by every subscriber of the room, once and in order, when its
-- transaction has committed.
--
--   psql "$DATABASE_URL" -v room=lobby -f examples/psql/writers.sql
\set ON_ERROR_STOP on
\encoding UTF8
\if :{?room} \else
    \set room lobby
\endif
\set me 0c544734-1888-5ee1-94a9-a8334a166413

-- A message; psql keeps its number as :id.
insert into messages (room, content, sender_id) values (:'room', 'a message', :'me') returning id \gset
update messages set content = 'a message, changed' where id = :id;

-- Nothing changes, so nobody is told.
update messages set content = content where id = :id;

-- Whether it is there or not: where it is, its text is changed, and that is an `updated_message`.
insert into messages (id, room, content, sender_id) values (:id, :'room', 'a message, put', :'me')
    on conflict (id) do update set content = excluded.content;

-- A transaction is seen when it commits, and as a whole: `transaction` is the same for its changes. What was rolled back
-- never was.
begin;
insert into messages (room, content, sender_id) values (:'room', 'one of a transaction', :'me');
savepoint doubt;
insert into messages (room, content, sender_id) values (:'room', 'never mind', :'me');
rollback to doubt;
insert into messages (room, content, sender_id) values (:'room', 'two of a transaction', :'me');
delete from messages where id = :id;
commit;

-- Many rows in one statement are as many messages, in the order of their numbers.
insert into messages (room, content, sender_id)
    select :'room', 'row ' || n, :'me' from generate_series(1, 3) n order by n;

-- COPY, as loaders do. It knows no variables of psql: these go to the room `imported`.
copy messages (room, content, sender_id) from stdin (format csv);
imported,"from a file, with a comma",0c544734-1888-5ee1-94a9-a8334a166413
imported,שלום 🌊,0c544734-1888-5ee1-94a9-a8334a166413
\.

-- Another table speaks by itself: its trigger writes a message in the same transaction. An order without a message, or
-- a message without its order, cannot be.
set client_min_messages = warning;
create schema if not exists example;
create table if not exists example.orders (
    number bigint generated always as identity primary key,
    room   text not null,
    state  text not null default 'new'
);
create or replace function example.tell_of_order() returns trigger language plpgsql as $$
begin
    insert into public.messages (room, content, sender_id)
    values (new.room, 'order is ' || new.state, '0c544734-1888-5ee1-94a9-a8334a166413');
    return null;
end $$;
create or replace trigger tell after insert or update of state on example.orders
    for each row execute function example.tell_of_order();

insert into example.orders (room) values (:'room') returning number \gset
update example.orders set state = 'paid' where number = :number;

-- A message that goes to another room: deleted in this one, new in that one.
insert into messages (room, content, sender_id) values (:'room', 'to be moved', :'me') returning id \gset
update messages set room = :'room' || ':archive' where id = :id;

-- Rows that go and come in one statement.
with gone as (delete from messages where room = :'room' || ':archive' and id = :id returning content)
insert into messages (room, content, sender_id) select :'room', content || ' back', :'me' from gone;
