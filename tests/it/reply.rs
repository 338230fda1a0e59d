//! The reply of a session is one row, however often, and by however many at once, it is written.

use std::time::Duration;

use futures_util::future::join_all;
use rowcast::{
    message::{Message, NewMessage},
    store::{Options, Reply, Store, StoreError, Together},
};
use sqlx::Executor;
use uuid::{Uuid, uuid};

use crate::support::{SENDER, World, until};

const SESSION: Uuid = uuid!("8e03978e-40d5-43e8-bc93-6894a57f9324");

const COUNT: &str = "select count(*) from messages";

/// The store as a node has it.
fn store(world: &World) -> Store {
    store_within(world, Duration::from_secs(10))
}

/// The same, for who waits for PostgreSQL no longer than this.
pub fn store_within(world: &World, timeout: Duration) -> Store {
    let together = Together {
        writers: 1,
        group: 1,
        group_bytes: 1,
        waiting: 1,
        waiting_bytes: 1,
        patience: Duration::from_secs(1),
    };
    let database: sqlx::postgres::PgConnectOptions = world.database_url.parse().unwrap();
    let direct = database.clone();
    Store::new(Options {
        database,
        direct,
        connections: 8,
        log_connections: 1,
        timeout,
        event_bytes: 1 << 20,
        together,
    })
}

/// What a session has to say at its end.
fn new(content: &str) -> NewMessage {
    let (file, sender_id) = (Some("a.txt".to_owned()), SENDER.parse().unwrap());
    NewMessage { content: content.to_owned(), file, sender_id, room: "a".to_owned() }
}

fn written(reply: Reply) -> Message {
    let Reply::Written(message) = reply else { panic!("{reply:?}") };
    message
}

#[tokio::test]
async fn a_reply_is_written_once_and_then_is_there() {
    let world = World::migrated().await;
    let store = store(&world);
    assert_eq!(store.reply(SESSION).await.unwrap(), None);
    let reply = written(store.add_reply(SESSION, &new("done")).await.unwrap());
    assert_eq!((reply.session_id, reply.content.as_str(), reply.room.as_str()), (Some(SESSION), "done", "a"));
    assert_eq!((reply.file.as_deref(), reply.sender_id.to_string().as_str()), (Some("a.txt"), SENDER));
    let again = store.add_reply(SESSION, &new("done, from another node")).await.unwrap();
    assert_eq!(again, Reply::There(reply.clone()));
    assert_eq!(store.reply(SESSION).await.unwrap(), Some(reply.clone()));
    assert_eq!(store.get(reply.id).await.unwrap(), Some(reply));
    written(store.add_reply(Uuid::nil(), &new("of another session")).await.unwrap());
    assert_eq!(world.number("select count(*) from feed.log").await, 2);
}

#[tokio::test]
async fn eight_that_write_a_reply_at_the_same_time_write_one() {
    let world = World::migrated().await;
    let store = store(&world);
    // They all come to the table before any of them is let in.
    let mut gate = world.session().await;
    gate.execute("begin; lock table messages in share mode").await.unwrap();
    let done = new("done");
    let all = join_all((0..8).map(|_| store.add_reply(SESSION, &done)));
    let open = async {
        let waiting = "select count(*) from pg_locks where not granted and relation = 'messages'::regclass";
        until("all wait", async || world.number(waiting).await == 8).await;
        gate.execute("commit").await.unwrap();
    };
    let (replies, ()) = tokio::join!(all, open);
    let (mut first, mut others) = (Vec::new(), Vec::new());
    for reply in replies {
        match reply.unwrap() {
            Reply::Written(message) => first.push(message),
            Reply::There(message) => others.push(message),
            Reply::Gone => panic!("nobody has deleted it"),
        }
    }
    assert_eq!((first.len(), others.len()), (1, 7));
    assert!(others.iter().all(|message| *message == first[0]), "{others:?}");
    assert_eq!((world.number(COUNT).await, world.number("select count(*) from feed.log").await), (1, 1));
}

#[tokio::test]
async fn a_reply_that_is_deleted_while_another_node_comes_to_it_is_not_written_again() {
    let world = World::migrated().await;
    let store = store(&world);
    written(store.add_reply(SESSION, &new("done")).await.unwrap());
    // After the row was found, and before it is read.
    world
        .sql(
            "create function away() returns trigger language plpgsql as
                 'begin delete from messages where session_id is not null; return null; end';
             create trigger away after insert on messages for each statement execute function away()",
        )
        .await;
    assert_eq!(store.add_reply(SESSION, &new("done")).await.unwrap(), Reply::Gone);
    assert_eq!(world.number(COUNT).await, 0);
}

#[tokio::test]
async fn a_reply_that_is_someone_elses_by_now_is_not_shown_for_it() {
    let world = World::migrated().await;
    let store = store(&world);
    written(store.add_reply(SESSION, &new("done")).await.unwrap());
    for change in ["room = 'elsewhere'", "room = 'a', sender_id = '8e03978e-40d5-43e8-bc93-6894a57f9324'"] {
        world.sql(&format!("update messages set {change}")).await;
        assert_eq!(store.add_reply(SESSION, &new("done")).await.unwrap(), Reply::Gone, "{change}");
        assert!(store.reply(SESSION).await.unwrap().is_some(), "who asks for it judges it");
    }
    assert_eq!(world.number(COUNT).await, 1);
}

#[tokio::test]
async fn ids_that_others_have_chosen_do_not_hinder_a_reply() {
    let world = World::migrated().await;
    let rows =
        "insert into messages (id, content, sender_id) select n, 'x', gen_random_uuid() from generate_series(1, 9) n";
    world.sql(rows).await;
    assert!(written(store(&world).add_reply(SESSION, &new("done")).await.unwrap()).id > 9);
}

#[tokio::test]
async fn a_reply_is_found_by_one_step_through_the_index() {
    let world = World::migrated().await;
    let replies = "insert into messages (content, sender_id, session_id)
         select n, gen_random_uuid(), lpad(n::text, 32, '0')::uuid from generate_series(1, 5000) n; analyze messages";
    world.sql(replies).await;
    let store = store(&world);
    let found = store.reply(Uuid::from_u128(0x4321)).await.unwrap();
    assert_eq!(found.map(|message| message.content), Some("4321".to_owned()));
    // What sessions have read is counted when they end.
    store.close().await;
    let read = "select coalesce(sum(idx_tup_read), 0)::bigint from pg_stat_user_indexes
         where indexrelname = 'messages_session'";
    until("it is counted", async || world.number(read).await == 1).await;
}

/// Lets PostgreSQL refuse every row with this error, as a trigger would that somebody has added.
async fn refuse(world: &World, code: &str) {
    world
        .sql(&format!(
            "create or replace function refuse() returns trigger language plpgsql as
                 'begin raise exception using errcode = ''{code}''; end';
             create or replace trigger refuse before insert on messages for each row execute function refuse()"
        ))
        .await;
}

#[tokio::test]
async fn what_may_pass_is_told_from_what_will_not() {
    let world = World::migrated().await;
    let store = store(&world);
    // A rule of the table and a number that is too large will not pass; neither will a trigger that fails, nor an index
    // that has no room for the text. A shutdown, a full disk, a deadlock and a lock that somebody has will.
    let (never, later) = (["23514", "22003", "P0001", "54000"], ["57P01", "53100", "40P01", "55P03"]);
    for code in never.into_iter().chain(later) {
        refuse(&world, code).await;
        let error = store.add_reply(SESSION, &new("done")).await.unwrap_err();
        assert_eq!(matches!(error, StoreError::Unavailable(_)), later.contains(&code), "{code}: {error:?}");
        assert_eq!(matches!(error, StoreError::Refused(_)), code.starts_with('2'), "{code}: {error:?}");
    }
    let nul = store.add_reply(SESSION, &new("a\0")).await.unwrap_err();
    assert!(matches!(nul, StoreError::Refused(_)), "{nul:?}");
    world.sql("drop trigger refuse on messages").await;
    written(store.add_reply(SESSION, &new("done")).await.unwrap());
}
