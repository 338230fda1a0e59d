//! A row that names a session is a row like any other, and its session is told wherever the row is.

use std::path::Path;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Executor, migrate::Migrator};
use uuid::{Uuid, uuid};

use crate::support::{CHANNELS, Event, Listener, SENDER, World, message};

const SESSION: Uuid = uuid!("8e03978e-40d5-43e8-bc93-6894a57f9324");

/// A reply as SQL writes it.
fn insert(content: &str) -> String {
    format!("insert into messages (content, sender_id, session_id) values ('{content}', '{SENDER}', '{SESSION}')")
}

/// What is told of the row's session, and its place: behind all that the row had before there were sessions.
fn told(event: &Event) -> Value {
    let session = event.data()["data"]["session_id"].clone();
    let sender = event.data()["data"]["sender_id"].clone();
    let place = format!(r#""sender_id":{sender},"session_id":{session},"event_id":"#);
    assert!(event.text.contains(&place), "{}", event.text);
    session
}

fn all_told(events: &[Event]) -> Vec<(String, Value)> {
    events.iter().map(|event| (event.kind(), told(event))).collect()
}

/// These kinds of events, each with the session.
fn of_session<const N: usize>(kinds: [&str; N]) -> Vec<(String, Value)> {
    kinds.map(|kind| (kind.to_owned(), json!(SESSION))).into()
}

#[tokio::test]
async fn the_session_of_a_row_is_told_wherever_the_row_is_and_null_where_there_is_none() {
    let (world, node) = World::with_node().await;
    let mut stream = node.stream("").await;
    let mut listener = Listener::on(&world, &CHANNELS).await;
    world.sql(&insert("a reply")).await;
    let ordinary = node.post("/message", &message("ordinary")).await;
    assert_eq!(ordinary.body["session_id"], Value::Null);

    let (events, heard) = (stream.take(2).await, listener.take(2).await);
    assert_eq!(events.iter().map(told).collect::<Vec<_>>(), [json!(SESSION), Value::Null]);
    for (event, heard) in events.iter().zip(heard) {
        assert!(event.text.contains(&heard.text), "{event:?} {heard:?}");
    }
    for (id, session) in [(1, format!("\"{SESSION}\"")), (2, "null".to_owned())] {
        let message = node.try_get(&format!("/message/{id}")).await;
        let last = format!(r#""sender_id":"{SENDER}","session_id":{session}}}"#);
        assert!(message.ends_with(&last), "{message}");
        assert!(node.try_get("/message").await.contains(&message));
    }
}

#[tokio::test]
async fn every_change_of_a_reply_tells_its_session_live_and_from_the_log() {
    let world = World::new().await;
    let node = world.node_with(&[("RING_CHANGES", "1")]).await;
    let mut stream = node.stream("").await;
    let move_it = "update messages set room = 'elsewhere'";
    for statement in [&insert("a reply"), "update messages set content = 'x'", move_it, "delete from messages"] {
        world.sql(statement).await;
    }
    let live = stream.take(5).await;
    let kinds = ["new_message", "updated_message", "deleted_message", "new_message", "deleted_message"];
    assert_eq!(all_told(&live), of_session(kinds));
    let past = node.open("", Some("1-0")).await.take(6).await;
    assert!(past[1..] == live, "the log tells other bytes: {past:?}");
}

#[tokio::test]
async fn a_changed_session_alone_is_one_change() {
    let (world, node) = World::with_node().await;
    let mut stream = node.stream("").await;
    let id = node.say(message("becomes a reply")).await;
    let give = format!("update messages set session_id = '{SESSION}'");
    for statement in [&give, &give, "update messages set session_id = null"] {
        world.sql(statement).await;
    }
    node.say(message("that is all")).await;
    let told = stream.take(4).await;
    let expected =
        [("new_message", Value::Null), ("updated_message", json!(SESSION)), ("updated_message", Value::Null)];
    assert_eq!(all_told(&told[..3]), expected.map(|(kind, session)| (kind.to_owned(), session)));
    assert_eq!(told[3].content(), "that is all");
    let dates = told[1..3].iter().map(|event| event.data()["data"]["updated_date"].clone()).collect::<Vec<_>>();
    assert!(dates[0].as_str() < dates[1].as_str() && dates[0].is_string(), "{dates:?}");
    assert_eq!(node.get(&format!("/message/{id}")).await.body["updated_date"], dates[1]);
}

#[tokio::test]
async fn no_request_gives_or_takes_a_session() {
    let (world, node) = World::with_node().await;
    world.sql(&insert("a reply")).await;
    for (method, path) in [(Method::POST, "/message"), (Method::PATCH, "/message/1")] {
        let mut body = message("never");
        body["session_id"] = json!(Uuid::nil());
        if method == Method::PATCH {
            body = json!({ "session_id": null });
        }
        let answer = node.send(method, path, Some(&body)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.body);
    }
    let patched = node.send(Method::PATCH, "/message/1", Some(&json!({ "content": "changed" }))).await;
    assert_eq!((&patched.body["content"], &patched.body["session_id"]), (&json!("changed"), &json!(SESSION)));
    assert_eq!(node.get("/message/1").await.body, patched.body);
}

#[tokio::test]
async fn the_table_takes_one_row_of_a_session_and_any_number_without() {
    let world = World::migrated().await;
    world.sql(&insert("the reply")).await;
    let again = insert("the reply again");
    let error = world.pool.execute(sqlx::AssertSqlSafe(again)).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().constraint(), Some("messages_session"));
    world.sql(&insert("other").replace(&SESSION.to_string(), &Uuid::nil().to_string())).await;
    let before = world.number("select pg_relation_size('messages_session')").await;
    world
        .sql("insert into messages (content, sender_id) select n, gen_random_uuid() from generate_series(1, 5000) n")
        .await;
    let after = world.number("select pg_relation_size('messages_session')").await;
    assert_eq!(before, after, "rows without a session are in the index");
}

/// What had been migrated before there were sessions.
async fn migrate_to(world: &World, version: i64) {
    let dir = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations")).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        let number: i64 = name.to_str().unwrap().split('_').next().unwrap().parse().unwrap();
        if number <= version {
            std::fs::copy(path, dir.path().join(name)).unwrap();
        }
    }
    Migrator::new(dir.path()).await.unwrap().run(&world.pool).await.unwrap();
}

#[tokio::test]
async fn a_database_from_before_there_were_sessions_goes_on_where_it_was() {
    let world = World::new().await;
    migrate_to(&world, 3).await;
    // A writer that stays connected, and has its statements and triggers planned.
    let mut writer = world.session().await;
    let write = "insert into messages (content, sender_id) select 'then', gen_random_uuid() from generate_series(1, 2)";
    for statement in [write, "update messages set file = 'a' where id = 1", "delete from messages where id = 2"] {
        sqlx::query(statement).execute(&mut writer).await.unwrap();
    }
    let node = world.node().await;
    let mut stream = node.open("", Some("1-0")).await;
    assert_eq!(stream.next().await.data()["resumed"], true);
    let then = all_told(&stream.take(4).await);
    let kinds = ["new_message", "new_message", "updated_message", "deleted_message"];
    assert_eq!(then, kinds.map(|kind| (kind.to_owned(), Value::Null)));

    sqlx::query(write).execute(&mut writer).await.unwrap();
    assert_eq!(stream.take(2).await.iter().map(told).collect::<Vec<_>>(), [Value::Null, Value::Null]);
    let give = "update messages set session_id = '8e03978e-40d5-43e8-bc93-6894a57f9324' where id = 1";
    sqlx::query(give).execute(&mut writer).await.unwrap();
    assert_eq!(all_told(&stream.take(1).await), of_session(["updated_message"]));
}
