//! A session whose text is whole becomes one message, whoever writes it, and whatever happens on the way.

use std::time::Duration;

use futures_util::future::join_all;
use rowcast::{
    redis::{
        Redis,
        bells::Bells,
        session::{Bounds, Opened},
    },
    reply::{Reason, State},
    session::{Options, Sessions},
};
use serde_json::json;
use sqlx::Executor;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::{
    reply::store_within,
    support::{
        Link, World,
        logs::{BOUNDS, Log, TOKEN, batch, final_batch, opening},
        soon, until,
    },
};

const SHORT: Duration = Duration::from_millis(50);

/// Who does not write in time is helped soon.
const HASTY: Bounds = Bounds { lease: SHORT, open: 1000, ..BOUNDS };

const COUNT: &str = "select count(*) from messages";

/// What a node has of sessions, but for the doors.
fn sessions(world: &World, bounds: Bounds) -> Sessions {
    sessions_with(world, bounds, Duration::from_secs(10))
}

/// The same, for who waits no longer than this, neither for Redis nor for PostgreSQL.
fn sessions_with(world: &World, bounds: Bounds, patience: Duration) -> Sessions {
    let redis = Redis::new(&world.redis_url, &world.prefix).unwrap();
    let options = Options {
        bounds,
        reap: Duration::from_millis(20),
        writes: 2,
        readers: 10,
        tail_bytes: 1 << 16,
        page_bytes: 1 << 16,
        poll: Duration::from_secs(2),
        patience,
        keep_alive: Duration::from_secs(15),
        retry: Duration::from_secs(1),
    };
    Sessions::new(&redis, Bells::new(redis.clone()), store_within(world, patience), options)
}

fn run(sessions: &Sessions) -> DropGuard {
    let stop = CancellationToken::new();
    tokio::spawn(sessions.clone().run(stop.clone()));
    stop.drop_guard()
}

/// The same world through a wire to PostgreSQL.
async fn wired(world: &World) -> (World, Link) {
    let link = Link::to(&world.database_url).await;
    let (redis_url, prefix, pool) = (world.redis_url.clone(), world.prefix.clone(), world.pool.clone());
    (World { database_url: link.url().to_owned(), redis_url, prefix, pool }, link)
}

/// Waits until the session is over; it has no other row than the one that it names.
async fn assert_written(world: &World, log: &Log, state: State, content: &str) {
    until("it is over", async || log.look().await.state.is_over()).await;
    let session = log.look().await;
    assert_eq!((session.state, session.reason), (state, None));
    let rows: Vec<(i64, String, Uuid, String)> =
        sqlx::query_as("select id, content, sender_id, room from messages where session_id = $1")
            .bind(log.id)
            .fetch_all(&world.pool)
            .await
            .unwrap();
    let opening = opening(log.id);
    assert_eq!(rows, [(session.message.unwrap(), content.to_owned(), opening.sender, opening.room)]);
    assert_eq!((log.texts().await.len(), log.due().await), (0, None));
}

/// Waits until the session has failed; what is left of its text.
async fn assert_failed(world: &World, log: &Log, reason: Reason) -> String {
    until("it is over", async || log.look().await.state.is_over()).await;
    let session = log.look().await;
    assert_eq!((session.state, session.reason, session.message), (State::Failed, Some(reason), None));
    assert_eq!(world.number(COUNT).await, 0);
    log.texts().await.concat()
}

/// Waits until writing has been tried in vain, twice at least.
async fn until_tried(log: &Log) {
    for _ in 0..2 {
        let due = log.due().await;
        until("it is tried", async || log.due().await > due).await;
    }
    assert!(log.look().await.sealed);
}

#[tokio::test]
async fn of_many_who_write_the_same_session_at_the_same_time_one_does() {
    let world = World::migrated().await;
    for _ in 0..5 {
        let log = Log::open(&world, BOUNDS).await;
        let nodes: Vec<Sessions> = (0..8).map(|_| sessions(&world, BOUNDS)).collect();
        let last = final_batch(&[(0, "one "), (1, "row")], 1);
        let receipts = join_all(nodes.iter().map(|node| node.append(log.id, TOKEN, &last))).await;
        assert!(receipts.iter().all(|receipt| matches!(receipt, Ok(Ok(_)))), "{receipts:?}");
        assert_written(&world, &log, State::Completed, "one row").await;
    }
}

#[tokio::test]
async fn a_session_that_nobody_writes_is_written_by_whoever_looks() {
    let world = World::migrated().await;
    let mut logs = vec![Log::open(&world, HASTY).await];
    for _ in 1..60 {
        logs.push(Log::open(&world, HASTY).await);
    }
    for log in &logs {
        log.put(&final_batch(&[(0, "taken "), (1, "over")], 1)).await;
    }
    let nodes = [sessions(&world, HASTY), sessions(&world, HASTY)];
    let _running = nodes.each_ref().map(run);
    for log in &logs {
        assert_written(&world, log, State::Completed, "taken over").await;
    }
}

#[tokio::test]
async fn while_postgresql_is_away_a_session_stays_whole_and_then_is_written() {
    let world = World::migrated().await;
    let (wired, link) = wired(&world).await;
    let (log, node) = (Log::open(&world, BOUNDS).await, sessions_with(&wired, BOUNDS, Duration::from_secs(1)));
    link.cut();
    assert!(node.append(log.id, TOKEN, &final_batch(&[(0, "patience")], 0)).await.unwrap().unwrap().sealed);
    until_tried(&log).await;
    link.mend();
    assert_written(&world, &log, State::Completed, "patience").await;
}

#[tokio::test]
async fn a_text_that_the_table_refuses_fails_and_stays_in_redis() {
    let world = World::migrated().await;
    // A rule of the table is no other the next time; for what else a trigger says there is a time.
    for (code, persist) in [("23514", BOUNDS.persist), ("P0001", Duration::from_millis(300))] {
        world.refuse(code).await;
        let bounds = Bounds { persist, ..BOUNDS };
        let (log, node) = (Log::open(&world, bounds.clone()).await, sessions(&world, bounds));
        node.append(log.id, TOKEN, &final_batch(&[(0, "not "), (1, "lost")], 1)).await.unwrap().unwrap();
        assert_eq!(assert_failed(&world, &log, Reason::PersistFailed).await, "not lost", "{code}");
    }
}

#[tokio::test]
async fn a_text_that_redis_has_lost_a_part_of_is_no_message() {
    let world = World::migrated().await;
    let (log, node) = (Log::open(&world, BOUNDS).await, sessions(&world, BOUNDS));
    log.put(&batch(&[(0, "half ")])).await;
    log.lose(":log").await;
    node.append(log.id, TOKEN, &final_batch(&[(1, "a text")], 1)).await.unwrap().unwrap();
    assert_failed(&world, &log, Reason::PersistFailed).await;
}

#[tokio::test]
async fn a_session_without_text_is_no_message() {
    let world = World::migrated().await;
    let (log, node) = (Log::open(&world, BOUNDS).await, sessions(&world, BOUNDS));
    node.append(log.id, TOKEN, &final_batch(&[(0, ""), (1, "")], 1)).await.unwrap().unwrap();
    assert_eq!(assert_failed(&world, &log, Reason::Empty).await, "");
}

#[tokio::test]
async fn what_was_there_of_a_cancelled_session_is_a_message_if_that_is_wanted() {
    let world = World::migrated().await;
    let node = sessions(&world, BOUNDS);
    let [kept, thrown] = [Log::open(&world, BOUNDS).await, Log::open(&world, BOUNDS).await];
    for log in [&kept, &thrown] {
        log.put(&batch(&[(0, "as far "), (1, "as it came"), (3, "parked")])).await;
    }
    assert_eq!(node.cancel(thrown.id, "who", false).await.unwrap(), Some(State::Cancelled));
    assert_eq!((thrown.look().await.message, world.number(COUNT).await), (None, 0));
    assert_eq!(node.cancel(kept.id, "who", true).await.unwrap(), Some(State::Cancelled));
    assert_written(&world, &kept, State::Cancelled, "as far as it came").await;
    for log in [&kept, &thrown] {
        assert_eq!(node.cancel(log.id, "else", true).await.unwrap(), Some(State::Cancelled));
        assert_eq!(log.look().await.by.as_deref(), Some("who"));
    }
    assert_eq!(node.cancel(Uuid::new_v4(), "who", true).await.unwrap(), None);
}

#[tokio::test]
async fn whoever_cancels_waits_no_longer_for_the_message_than_anybody_waits() {
    let world = World::migrated().await;
    let (wired, link) = wired(&world).await;
    let (log, node) = (Log::open(&world, BOUNDS).await, sessions_with(&wired, BOUNDS, Duration::from_secs(1)));
    log.put(&batch(&[(0, "a")])).await;
    link.cut();
    let cancelled = soon("an answer", node.cancel(log.id, "who", true)).await.unwrap();
    assert_eq!((cancelled, log.look().await.sealed), (Some(State::Streaming), true));
    link.mend();
    assert_written(&world, &log, State::Cancelled, "a").await;
}

#[tokio::test]
async fn a_row_that_is_there_already_is_the_message_unless_someone_has_taken_it_away() {
    let world = World::migrated().await;
    let node = sessions(&world, BOUNDS);
    for (room, is_ours) in [("room", true), ("elsewhere", false)] {
        let log = Log::open(&world, BOUNDS).await;
        let opening = opening(log.id);
        let (id,): (i64,) = sqlx::query_as(
            "insert into messages (content, sender_id, room, session_id) values ('first', $1, $2, $3) returning id",
        )
        .bind(opening.sender)
        .bind(room)
        .bind(log.id)
        .fetch_one(&world.pool)
        .await
        .unwrap();
        node.append(log.id, TOKEN, &final_batch(&[(0, "second")], 0)).await.unwrap().unwrap();
        until("it is over", async || log.look().await.state == State::Completed).await;
        assert_eq!(log.look().await.message, is_ours.then_some(id));
    }
    assert_eq!(world.number("select count(*) from messages where content = 'first'").await, 2);
    assert_eq!(world.number(COUNT).await, 2);
}

#[tokio::test]
async fn the_id_of_a_session_that_redis_has_forgotten_is_not_used_again() {
    let world = World::migrated().await;
    let (log, node) = (Log::open(&world, BOUNDS).await, sessions(&world, BOUNDS));
    node.append(log.id, TOKEN, &final_batch(&[(0, "a")], 0)).await.unwrap().unwrap();
    assert_written(&world, &log, State::Completed, "a").await;
    log.lose("").await;
    assert_eq!(node.open(&opening(log.id), TOKEN, true).await.unwrap(), Opened::Taken);
    assert!(log.dump().await.is_empty());
}

#[tokio::test]
async fn a_node_that_stops_finishes_what_it_writes() {
    let world = World::migrated().await;
    let (log, node) = (Log::open(&world, BOUNDS).await, sessions(&world, BOUNDS));
    let stop = CancellationToken::new();
    let running = tokio::spawn(node.clone().run(stop.clone()));
    let mut locks = world.session().await;
    locks.execute("begin; lock table messages in exclusive mode").await.unwrap();
    node.append(log.id, TOKEN, &final_batch(&[(0, "just in time")], 0)).await.unwrap().unwrap();
    until("it is being written", async || world.number("select count(*) from pg_locks where not granted").await > 0)
        .await;
    stop.cancel();
    // Whoever stops has been told so by now.
    tokio::task::yield_now().await;
    locks.execute("commit").await.unwrap();
    soon("it stops", running).await.unwrap();
    assert!(log.look().await.state.is_over(), "it was finished before the node was");
    assert_written(&world, &log, State::Completed, "just in time").await;
}

/// A node that dies at this place with a whole session, which it comes upon or is brought; then another one comes.
async fn crash(place: &str, rows: i64) {
    let world = World::migrated().await;
    let log = Log::open(&world, HASTY).await;
    let settings = [("SESSION_LEASE", "50ms"), ("SESSION_REAP_INTERVAL", "20ms")];
    let failpoint = format!("{place}:1");
    let mut dying = world.node_with(&[settings[0], settings[1], ("FAILPOINT", &failpoint)]).await;
    if place == "sealed" {
        let chunks = json!([{ "chunk_id": 0, "chunk": "once " }, { "chunk_id": 1, "chunk": "only" }]);
        let body = json!({ "chunks": chunks, "final_chunk_id": 1 });
        let request = dying.http.post(format!("{}/session/{}/chunk", dying.url, log.id)).json(&body);
        request.header("X-Producer-Token", TOKEN).send().await.expect_err("the node dies");
    } else {
        log.put(&final_batch(&[(0, "once "), (1, "only")], 1)).await;
    }
    soon("it dies", dying.process.wait()).await.unwrap();
    assert_eq!(world.number(COUNT).await, rows);
    let after = world.node_with(&settings).await;
    assert_written(&world, &log, State::Completed, "once only").await;
    let id = log.look().await.message.unwrap();
    assert_eq!(after.get(&format!("/message/{id}")).await.body["content"], "once only");
}

#[tokio::test]
async fn a_node_that_dies_before_it_has_answered_the_last_chunk_leaves_the_message_to_another() {
    crash("sealed", 0).await;
}

#[tokio::test]
async fn a_node_that_dies_after_it_has_written_leaves_one_row_and_the_rest_to_another() {
    crash("written", 1).await;
}

#[tokio::test]
async fn a_node_that_dies_after_it_has_said_so_leaves_nothing_to_do() {
    crash("completed", 1).await;
}
