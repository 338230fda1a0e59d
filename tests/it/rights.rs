//! A token gives what it says and no more: rooms to read, rooms to write to, one's own messages, or others' too.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor};

use crate::support::{
    Answer, Event, Events, Node, SENDER, World, message_in, soon,
    tokens::{claims, guarded, token, token_for, with},
    until,
};

const OTHER: &str = "9b2f1a52-7a3e-4f0f-9d4e-3f1f0b6a2c11";

/// A token of whoever may do everything but moderate.
fn anywhere() -> String {
    token_for(&["*"], &["*"])
}

fn of_other(read: &[&str], write: &[&str]) -> Value {
    with(claims(read, write), "sub", OTHER)
}

#[track_caller]
fn assert_forbidden(answer: &Answer, why: &str) {
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.body);
    assert_eq!(answer.body["type"], "urn:rowcast:problem:forbidden");
    assert!(answer.body["detail"].as_str().unwrap().contains(why), "{}", answer.body);
}

fn contents(page: &Answer) -> Vec<&str> {
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let messages = page.body["messages"].as_array().unwrap();
    messages.iter().map(|message| message["content"].as_str().unwrap()).collect()
}

/// Puts messages into rooms, each with a content of its own.
async fn fill(node: &Node, messages: &[(&str, &str)]) {
    for (room, content) in messages {
        node.say_as(&anywhere(), message_in(room, content)).await;
    }
}

#[tokio::test]
async fn one_writes_in_ones_own_name_and_to_the_rooms_of_the_token() {
    let (_world, node) = guarded(&[]).await;
    let mine = token_for(&[], &["a", "team-*"]);
    for room in ["a", "team-", "team-1"] {
        node.say_as(&mine, message_in(room, "mine")).await;
    }
    for room in ["b", "A", "tea", "a-team-1"] {
        assert_forbidden(&node.post_as(&mine, &message_in(room, "x")).await, "write to the room");
    }
    let mut forged = message_in("a", "forged");
    forged["sender_id"] = OTHER.into();
    assert_forbidden(&node.post_as(&mine, &forged).await, "sender_id must be the `sub`");
    assert_forbidden(&node.post_as(&token_for(&["*"], &[]), &message_in("a", "x")).await, "write to the room");
    for sub in [json!("robot-7"), Value::Null] {
        let reader = token(&with(claims(&["*"], &["*"]), "sub", sub));
        assert_forbidden(&node.post_as(&reader, &message_in("a", "x")).await, "not a UUID");
        assert_eq!(contents(&node.get_as(&reader, "/message").await).len(), 3, "it may read");
    }
}

#[tokio::test]
async fn a_list_of_rooms_is_to_read_and_to_write() {
    let (_world, node) = guarded(&[]).await;
    let both = token(&with(claims(&[], &[]), "rooms", json!(["a"])));
    node.say_as(&both, message_in("a", "x")).await;
    assert_eq!(contents(&node.get_as(&both, "/message?room=a").await), ["x"]);
    assert_forbidden(&node.get_as(&both, "/message?room=b").await, "read the room b");
}

#[tokio::test]
async fn a_token_without_rooms_has_those_of_the_setting() {
    let bare = token(&with(claims(&[], &[]), "rooms", Value::Null));
    let (_world, node) = guarded(&[]).await;
    assert_forbidden(&node.get_as(&bare, "/message").await, "any room");
    assert_forbidden(&node.get_as(&bare, "/stream").await, "any room");
    assert_forbidden(&node.get_as(&bare, "/message?room=lobby").await, "read the room lobby");
    let (_world, node) = guarded(&[("JWT_DEFAULT_ROOMS", "lobby,team-*")]).await;
    node.say_as(&bare, message_in("team-1", "x")).await;
    assert_eq!(contents(&node.get_as(&bare, "/message?room=team-1").await), ["x"]);
    assert_forbidden(&node.post_as(&bare, &message_in("other", "x")).await, "write to the room");
    assert_forbidden(&node.get_as(&token_for(&[], &[]), "/message").await, "any room");
}

#[tokio::test]
async fn a_page_has_the_rooms_that_may_be_read() {
    let (_world, node) = guarded(&[]).await;
    fill(&node, &[("a", "1"), ("b", "2"), ("c", "3"), ("a", "4"), ("c", "5"), ("b", "6"), ("d", "7")]).await;
    let page = async |read: &[&str], query: &str| node.get_as(&token_for(read, &[]), &format!("/message{query}")).await;
    assert_eq!(contents(&page(&["*"], "").await), ["7", "6", "5", "4", "3", "2", "1"]);
    assert_eq!(contents(&page(&["a", "*"], "").await).len(), 7);
    assert_eq!(contents(&page(&["a", "c", "a", "empty"], "").await), ["5", "4", "3", "1"]);
    assert_eq!(contents(&page(&["a", "c"], "?room=c").await), ["5", "3"]);
    assert_eq!(contents(&page(&["a", "c"], &format!("?sender_id={SENDER}")).await), ["5", "4", "3", "1"]);
    assert_eq!(contents(&page(&["a", "c"], &format!("?sender_id={OTHER}")).await), [] as [&str; 0]);
    assert_forbidden(&page(&["a", "c"], "?room=b").await, "read the room b");
    assert_forbidden(&page(&["a", "team-*"], "").await, "name one with `room`");
    assert_eq!(contents(&page(&["a", "team-*"], "?room=a").await), ["4", "1"]);
}

#[tokio::test]
async fn pages_of_several_rooms_follow_one_another_without_a_gap() {
    let (world, node) = guarded(&[]).await;
    // Some of them at the same instant.
    let insert = "insert into messages (room, content, sender_id, created_date)
        select 'r' || n % 5, n::text, gen_random_uuid(), '2024-01-01'::timestamptz + (n / 3) * interval '1 ms'
        from generate_series(1, 200) as n";
    world.sql(insert).await;
    let token = token_for(&["r1", "r2", "r4"], &[]);
    let (mut seen, mut path) = (Vec::new(), "/message?limit=7".to_owned());
    loop {
        let page = node.get_as(&token, &path).await;
        seen.extend(contents(&page).iter().map(|content| content.parse::<i64>().unwrap()));
        let Some(cursor) = page.body["next_cursor"].as_str() else { break };
        path = format!("/message?limit=7&cursor={cursor}");
    }
    let expected: Vec<i64> = (1..=200).rev().filter(|n| [1, 2, 4].contains(&(n % 5))).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn what_may_not_be_read_is_not_there() {
    let (_world, node) = guarded(&[]).await;
    let id = node.say_as(&anywhere(), message_in("secret", "x")).await;
    let (patch, path) = (json!({ "content": "y" }), format!("/message/{id}"));
    // It may write and moderate, but not read.
    let blind = token(&with(claims(&["a"], &["*"]), "scope", "moderate"));
    for (method, body) in [(Method::GET, None), (Method::PATCH, Some(&patch)), (Method::DELETE, None)] {
        let answer = node.send_as(&blind, method.clone(), &path, body).await;
        let nothing = node.send_as(&blind, method.clone(), "/message/999999", body).await;
        assert_eq!((answer.status, nothing.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND), "{method}");
        let text = answer.body.to_string().replace(&id.to_string(), "999999");
        assert_eq!(text, nothing.body.to_string(), "{method}: as if it was not there");
    }
    assert_eq!(node.get_as(&anywhere(), &path).await.body["content"], "x");
}

#[tokio::test]
async fn ones_own_messages_may_be_changed_and_others_by_who_moderates() {
    let (_world, node) = guarded(&[]).await;
    let id = node.say_as(&anywhere(), message_in("a", "x")).await;
    let path = format!("/message/{id}");
    let patch = async |token: &str, text: &str| {
        node.send_as(token, Method::PATCH, &path, Some(&json!({ "content": text }))).await
    };
    let delete = async |token: &str| node.send_as(token, Method::DELETE, &path, None).await;
    let refused = [
        (token_for(&["a"], &[]), "write to the room a"),
        (token_for(&["*"], &["b"]), "write to the room a"),
        (token(&of_other(&["*"], &["*"])), "another sender's"),
        (token(&with(of_other(&["*"], &["*"]), "scope", "moderated read")), "another sender's"),
        (token(&with(of_other(&["*"], &["b"]), "scope", "moderate")), "write to the room a"),
        (token(&with(with(claims(&["*"], &["*"]), "scope", "moderate"), "sub", "robot")), "not a UUID"),
    ];
    for (token, why) in &refused {
        assert_forbidden(&patch(token, "no").await, why);
        assert_forbidden(&delete(token).await, why);
    }
    assert_eq!(patch(&anywhere(), "mine").await.body["content"], "mine");
    for scope in [json!("read moderate"), json!(["moderate", "x"])] {
        let moderator = token(&with(of_other(&["*"], &["a"]), "scope", scope));
        assert_eq!(patch(&moderator, "moderated").await.body["content"], "moderated");
    }
    let moderator = token(&with(of_other(&["*"], &["a"]), "scope", "moderate"));
    assert_eq!(delete(&moderator).await.status, StatusCode::NO_CONTENT);
    assert_eq!(delete(&anywhere()).await.status, StatusCode::NOT_FOUND);
    let id = node.say_as(&anywhere(), message_in("a", "x")).await;
    let answer = node.send_as(&anywhere(), Method::DELETE, &format!("/message/{id}"), None).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "one's own");
}

/// What a change gets that was allowed when it was asked for, where the message is made another before it is done.
async fn overtaken(method: Method, meanwhile: &str) -> (Answer, i64) {
    let (world, node) = guarded(&[]).await;
    let id = node.say_as(&anywhere(), message_in("a", "x")).await;
    let mut session = world.session().await;
    let mut transaction = session.begin().await.unwrap();
    transaction.execute(AssertSqlSafe(format!("update messages set {meanwhile} where id = {id}"))).await.unwrap();
    let (patch, mine) = (json!({ "content": "changed" }), token_for(&["a"], &["a"]));
    let body = (method == Method::PATCH).then_some(&patch);
    let path = format!("/message/{id}");
    let change = node.send_as(&mine, method, &path, body);
    let commit = async {
        until("the change waits for the row", async || {
            let waiting = "select count(*) from pg_stat_activity
                where datname = current_database() and wait_event_type = 'Lock'";
            world.number(waiting).await > 0
        })
        .await;
        transaction.commit().await.unwrap();
    };
    let (answer, ()) = tokio::join!(change, commit);
    let untouched = world.number("select count(*) from messages where content = 'x'").await;
    (answer, untouched)
}

#[tokio::test]
async fn a_message_that_moves_away_meanwhile_is_not_changed() {
    for method in [Method::PATCH, Method::DELETE] {
        let (answer, untouched) = overtaken(method.clone(), "room = 'secret'").await;
        assert_eq!((answer.status, untouched), (StatusCode::NOT_FOUND, 1), "{method}: {}", answer.body);
        let (answer, untouched) = overtaken(method.clone(), &format!("sender_id = '{OTHER}'")).await;
        assert_forbidden(&answer, "another sender's");
        assert_eq!(untouched, 1, "{method}");
        // It is still one's own, and there.
        let (answer, untouched) = overtaken(method.clone(), "file = 'f'").await;
        assert!(answer.status.is_success() && untouched == 0, "{method}: {}", answer.body);
    }
}

async fn told(stream: &mut Events, count: usize) -> Vec<String> {
    stream.take(count).await.iter().map(Event::content).collect()
}

#[tokio::test]
async fn a_stream_has_only_what_may_be_read_live_and_from_the_past() {
    for writers in ["2", "0"] {
        let (_world, node) = guarded(&[("WRITERS", writers), ("RING_CHANGES", "4")]).await;
        let token = token_for(&["a", "c"], &[]);
        let mut live = node.stream_as(&token, "").await;
        let mut one = node.stream_as(&token, "?room=c").await;
        let rooms = ["a", "b", "c", "d"];
        let all: Vec<(&str, String)> = (0..20).map(|n| (rooms[n % 4], n.to_string())).collect();
        let all: Vec<(&str, &str)> = all.iter().map(|(room, content)| (*room, content.as_str())).collect();
        fill(&node, &all).await;
        let allowed = |rooms: &[&str]| {
            let wanted = all.iter().filter(|(room, _)| rooms.contains(room));
            wanted.map(|(_, content)| (*content).to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(told(&mut live, 10).await, allowed(&["a", "c"]));
        assert_eq!(told(&mut one, 5).await, allowed(&["c"]));
        // Most of it is behind the ring, and comes from the log; the end of it from the ring.
        let mut resumed = node.stream_as(&token, "?last_event_id=1-0").await;
        assert_eq!(told(&mut resumed, 10).await, allowed(&["a", "c"]));
        let mut resumed = node.stream_as(&token, "?last_event_id=1-17").await;
        assert_eq!(told(&mut resumed, 1).await, ["18"]);
        let mut everything = node.stream_as(&anywhere(), "?last_event_id=1-0").await;
        assert_eq!(told(&mut everything, 20).await, allowed(&rooms));
    }
}

#[tokio::test]
async fn a_stream_of_what_may_not_be_read_is_refused() {
    let (_world, node) = guarded(&[("MAX_ROOMS", "3")]).await;
    let stream =
        async |read: &[&str], query: &str| node.get_as(&token_for(read, &[]), &format!("/stream{query}")).await;
    assert_forbidden(&stream(&["a"], "?room=b").await, "read the room b");
    assert_forbidden(&stream(&["a"], "?room=a&room=b").await, "read the room b");
    assert_forbidden(&stream(&["team-*"], "?room=a").await, "read the room a");
    assert_forbidden(&stream(&["team-*", "a"], "").await, "name one with `room`");
    assert_forbidden(&stream(&["a", "b", "c", "d"], "").await, "more rooms than one stream");
    let mut patterned = node.stream_as(&token_for(&["team-*"], &[]), "?room=team-1&room=team-2").await;
    fill(&node, &[("team-3", "no"), ("team-2", "yes")]).await;
    assert_eq!(soon("an event", patterned.next()).await.content(), "yes");
}

#[tokio::test]
async fn whoever_calls_an_open_server_may_do_anything() {
    let (_world, node) = World::with_node().await;
    let id = node.say(message_in("a", "x")).await;
    let path = format!("/message/{id}");
    assert_eq!(node.get("/message").await.status, StatusCode::OK);
    let answer = node.send(Method::PATCH, &path, Some(&json!({ "content": "y" }))).await;
    assert_eq!((answer.status, &answer.body["content"]), (StatusCode::OK, &json!("y")));
    assert_eq!(node.send(Method::DELETE, &path, None).await.status, StatusCode::NO_CONTENT);
}
