//! A message that is posted again under its `Idempotency-Key` is written once, whatever happens in between.

use futures_util::future::join_all;
use redis::AsyncCommands;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::Executor;

use crate::{
    problems::assert_problem,
    support::{Answer, Link, Node, World, message, until},
};

const KEY: &str = "8e03978e-40d5-43e8-bc93-6894a57f9324";

/// However busy the machine is, Redis is not taken to be away.
const PATIENT: (&str, &str) = ("REDIS_PATIENCE", "10s");

const COUNT: &str = "select count(*) from messages";

async fn post(node: &Node, key: &str, message: &Value) -> Answer {
    Answer::of(node.http.post(format!("{}/message", node.url)).header("Idempotency-Key", key).json(message)).await
}

fn is_replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

/// The answer is that the message is written, now or before.
#[track_caller]
fn assert_written(answer: &Answer, replayed: bool) {
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    assert_eq!(is_replayed(answer), replayed, "{answer:?}");
    assert_eq!(answer.headers["location"].to_str().unwrap(), format!("/message/{}", answer.body["id"]));
}

/// Redis forgets every key of this world.
async fn empty_redis(world: &World) {
    let client = redis::Client::open(world.redis_url.as_str()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis.keys(format!("{}once:*", world.prefix)).await.unwrap();
    assert!(!keys.is_empty());
    let _: u32 = redis.del(keys).await.unwrap();
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_from_any_node_whatever_became_of_the_message() {
    let world = World::new().await;
    let nodes = [world.node_with(&[PATIENT]).await, world.node_with(&[PATIENT]).await];
    let mut stream = nodes[1].stream("").await;
    let first = post(&nodes[0], KEY, &message("once")).await;
    assert_written(&first, false);
    let again = post(&nodes[1], KEY, &message("once")).await;
    assert_written(&again, true);
    assert_eq!(again.body, first.body);

    let path = first.headers["location"].to_str().unwrap();
    nodes[0].send(Method::PATCH, path, Some(&json!({ "content": "changed" }))).await;
    let changed = post(&nodes[0], KEY, &message("once")).await;
    assert_written(&changed, true);
    assert_eq!(changed.body, first.body);
    nodes[0].send(Method::DELETE, path, None).await;
    let deleted = post(&nodes[1], KEY, &message("once")).await;
    assert_written(&deleted, true);
    assert_eq!((deleted.body, world.number(COUNT).await), (first.body, 0));

    nodes[0].say(message("last")).await;
    let told: Vec<String> = stream.take(4).await.iter().map(crate::support::Event::kind).collect();
    assert_eq!(told, ["new_message", "updated_message", "deleted_message", "new_message"]);
}

#[tokio::test]
async fn of_many_who_post_at_the_same_time_one_writes_and_all_get_its_answer() {
    let world = World::new().await;
    let nodes = [world.node_with(&[PATIENT]).await, world.node_with(&[PATIENT]).await];
    for round in 0..4 {
        let text = message(&format!("round {round}"));
        let key = format!("round-{round}");
        let answers = join_all((0..50).map(|number| post(&nodes[number % 2], &key, &text))).await;
        for answer in &answers {
            assert_written(answer, is_replayed(answer));
            assert_eq!(answer.body, answers[0].body);
        }
        assert_eq!(answers.iter().filter(|answer| !is_replayed(answer)).count(), 1);
        assert_eq!(world.number(COUNT).await, round + 1);
    }
}

/// A node that dies at this place, with a post under way; then the same is posted to another.
async fn repeat_after_death(place: &str, then: &str) -> (World, Answer) {
    let world = World::new().await;
    let mut dying = world.node_with(&[("FAILPOINT", &format!("{place}:1")), PATIENT]).await;
    let other = world.node_with(&[PATIENT]).await;
    let request = dying.http.post(format!("{}/message", dying.url)).header("Idempotency-Key", KEY);
    request.json(&message("once")).send().await.expect_err("the node dies");
    dying.process.wait().await.unwrap();
    world.sql(then).await;
    let answer = post(&other, KEY, &message("once")).await;
    assert_eq!(world.number(COUNT).await, 1);
    assert_eq!(other.get(answer.headers["location"].to_str().unwrap()).await.body, answer.body);
    let again = post(&other, KEY, &message("once")).await;
    assert_written(&again, true);
    assert_eq!((&again.body, world.number(COUNT).await), (&answer.body, 1));
    (world, answer)
}

#[tokio::test]
async fn a_node_that_dies_before_it_has_written_leaves_it_to_the_repeat() {
    let (_world, answer) = repeat_after_death("reserved", "select").await;
    assert_written(&answer, false);
}

#[tokio::test]
async fn a_node_that_dies_after_it_has_written_leaves_nothing_to_be_written_again() {
    let (_world, answer) = repeat_after_death("added", "select").await;
    assert_written(&answer, true);
}

#[tokio::test]
async fn a_message_that_is_deleted_before_anybody_knows_of_it_is_written_under_its_number_again() {
    let (_world, answer) = repeat_after_death("added", "delete from messages").await;
    assert_written(&answer, false);
}

#[tokio::test]
async fn another_message_under_the_same_key_is_refused_and_not_written() {
    let (world, node) = World::with_node().await;
    let given = json!({ "content": "once", "sender_id": crate::support::SENDER, "room": "lobby", "file": null });
    assert_written(&post(&node, KEY, &message("once")).await, false);
    // What is left out is the default: it is the same message.
    assert_written(&post(&node, KEY, &given).await, true);
    for (field, value) in [("content", "twice"), ("room", "elsewhere"), ("file", "a.txt")] {
        let mut other = given.clone();
        other[field] = value.into();
        assert_problem(field, &post(&node, KEY, &other).await, 422, "Idempotency-Key");
    }
    assert_eq!(world.number(COUNT).await, 1);
}

#[tokio::test]
async fn a_key_is_its_senders_own() {
    let (world, node) = World::with_node().await;
    let other = json!({ "content": "once", "sender_id": "67e55044-10b1-426f-9247-bb680e5fe0c8" });
    let (one, two) = (post(&node, KEY, &message("once")).await, post(&node, KEY, &other).await);
    assert_written(&one, false);
    assert_written(&two, false);
    assert_eq!(two.body["sender_id"], other["sender_id"]);
    assert_eq!(world.number(COUNT).await, 2);
}

#[tokio::test]
async fn what_is_no_key_is_refused_and_not_passed_over() {
    let (world, node) = World::with_node().await;
    let ask = || node.http.post(format!("{}/message", node.url)).json(&message("never"));
    for bad in [&b""[..], b"a b", b"\xc3\xa9", b"\xff", &[b'k'; 256]] {
        let answer = Answer::of(ask().header("Idempotency-Key", bad)).await;
        assert_problem(&format!("{bad:?}"), &answer, 422, "Idempotency-Key");
    }
    let two = ask().header("Idempotency-Key", "a").header("Idempotency-Key", "b");
    assert_problem("two keys", &Answer::of(two).await, 422, "Idempotency-Key");
    assert_eq!(world.number(COUNT).await, 0);
    assert_written(&post(&node, &"k".repeat(255), &message("one")).await, false);
}

#[tokio::test]
async fn while_redis_is_away_nothing_is_written_that_could_not_be_remembered() {
    let world = World::new().await;
    for (hang, key) in [(Link::cut as fn(&Link), "cut"), (Link::hush, "hushed")] {
        let link = Link::to(&world.redis_url).await;
        let node = world.node_with(&[("REDIS_URL", link.url()), ("REDIS_PATIENCE", "1s"), ("LOG", "error")]).await;
        let before = world.number(COUNT).await;
        hang(&link);
        for _ in 0..3 {
            let answer = post(&node, key, &message(key)).await;
            assert_problem(key, &answer, 503, "");
            assert_eq!(answer.headers["retry-after"], "1");
        }
        assert_eq!(world.number(COUNT).await, before);
        node.say(message("without a key")).await;
        link.mend();
        until("it is taken again", async || post(&node, key, &message(key)).await.status == StatusCode::CREATED).await;
        assert_written(&post(&node, key, &message(key)).await, true);
        assert_eq!(world.number(COUNT).await, before + 2);
    }
}

#[tokio::test]
async fn a_connection_that_was_lost_meanwhile_costs_nobody_an_answer() {
    let world = World::new().await;
    let link = Link::to(&world.redis_url).await;
    let node = world.node_with(&[("REDIS_URL", link.url()), PATIENT, ("LOG", "error")]).await;
    assert_written(&post(&node, "before", &message("before")).await, false);
    link.cut();
    link.mend();
    let answers =
        join_all((0..20).map(async |number| post(&node, &format!("after-{number}"), &message("after")).await));
    for answer in answers.await {
        assert_written(&answer, false);
    }
}

#[tokio::test]
async fn what_redis_has_forgotten_is_another_message() {
    let (world, node) = World::with_node().await;
    let first = post(&node, KEY, &message("once")).await;
    empty_redis(&world).await;
    let second = post(&node, KEY, &message("once")).await;
    assert_written(&second, false);
    assert_ne!(second.body["id"], first.body["id"]);
    assert_written(&post(&node, KEY, &message("once")).await, true);
    assert_eq!(world.number(COUNT).await, 2);
}

#[tokio::test]
async fn a_key_is_forgotten_in_the_end() {
    let world = World::new().await;
    let node = world.node_with(&[("IDEMPOTENCY_KEEP", "2s"), PATIENT]).await;
    assert_written(&post(&node, KEY, &message("once")).await, false);
    until("the key is free again", async || !is_replayed(&post(&node, KEY, &message("once")).await)).await;
}

#[tokio::test]
async fn posts_with_a_key_wait_within_the_same_bounds_as_those_without() {
    let world = World::new().await;
    let node = world.node_with(&[("POST_WAITING", "1"), PATIENT, ("LOG", "error")]).await;
    let mut locks = world.session().await;
    locks.execute("begin; lock table messages in exclusive mode").await.unwrap();
    let (key, text) = (KEY.to_owned(), message("waits"));
    let request = node.http.post(format!("{}/message", node.url)).header("Idempotency-Key", key).json(&text);
    let first = tokio::spawn(Answer::of(request));
    until("the first waits in the database", async || {
        world.number("select count(*) from pg_locks where not granted").await > 0
    })
    .await;
    assert_problem("one too many", &post(&node, "other", &message("too many")).await, 503, "");
    assert_problem("the same again", &post(&node, KEY, &text).await, 503, "");
    locks.execute("commit").await.unwrap();
    assert_written(&first.await.unwrap(), false);
    assert_written(&post(&node, KEY, &text).await, true);
}

#[tokio::test]
async fn what_the_database_has_refused_can_be_posted_again() {
    let world = World::new().await;
    let node = world.node_with(&[PATIENT, ("LOG", "error")]).await;
    // A rule of the table; a server that shuts down; a trigger that fails.
    for (code, status, field) in [("23514", 422, "body"), ("57P01", 503, ""), ("P0001", 500, "")] {
        world.refuse(code).await;
        for answer in [post(&node, code, &message(code)).await, node.post("/message", &message(code)).await] {
            match status {
                500 => assert_eq!(answer.status, status),
                _ => assert_problem(code, &answer, status, field),
            }
        }
        world.sql("drop trigger refuse on messages").await;
        assert_written(&post(&node, code, &message(code)).await, false);
        assert_written(&post(&node, code, &message(code)).await, true);
    }
    assert_eq!(world.number(COUNT).await, 3);
}

#[tokio::test]
async fn a_row_of_someone_else_is_never_taken_for_the_message() {
    let (world, node) = World::with_node().await;
    // Ids of their own choice, to which our sequence comes only now.
    world
        .sql(&format!(
            "insert into messages (id, content, sender_id) select id, 'theirs', '{}' from generate_series(1, 5) id",
            crate::support::SENDER
        ))
        .await;
    for number in 0..3 {
        let answer = post(&node, &format!("{KEY}-{number}"), &message("ours")).await;
        assert_written(&answer, false);
        assert_eq!(answer.body["content"], "ours");
    }
    assert_eq!(world.number(COUNT).await, 8);
}

#[tokio::test]
async fn what_a_trigger_makes_of_the_message_is_in_every_answer() {
    let (world, node) = World::with_node().await;
    world
        .sql(
            "create function loud() returns trigger language plpgsql as
                 'begin new.content := upper(new.content); return new; end';
             create trigger loud before insert on messages for each row execute function loud()",
        )
        .await;
    let first = post(&node, KEY, &message("once")).await;
    assert_eq!(first.body["content"], "ONCE");
    assert_eq!(post(&node, KEY, &message("once")).await.body, first.body);
}
