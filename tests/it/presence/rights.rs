//! Whoever may read a room may know who is there, and nobody else; and nobody is there as another.

use reqwest::StatusCode;
use serde_json::Value;

use super::{QUICK, Reader, user, watching};
use crate::{
    problems::assert_problem,
    support::{
        Answer, Node, SENDER, World, soon,
        tokens::{GUARDED, challenge, claims, in_seconds, token, token_for, with},
    },
};

/// A node that checks tokens, and whose users go quickly.
async fn guarded() -> (World, Node) {
    let world = World::new().await;
    let node = world.node_with(&[&QUICK[..], &GUARDED, &[("MAX_ROOMS", "3")]].concat()).await;
    (world, node)
}

/// A token of a user who may read these rooms, and write nowhere.
fn of_user(number: u64, rooms: &[&str]) -> String {
    token(&with(claims(rooms, &[]), "sub", user(number)))
}

#[track_caller]
fn assert_forbidden(answer: &Answer, why: &str) {
    assert_problem("it is not allowed", answer, 403, "");
    assert!(answer.body["detail"].as_str().unwrap().contains(why), "{}", answer.body);
}

#[tokio::test]
async fn who_may_not_read_a_room_learns_nothing_of_who_is_there() {
    let (_world, node) = guarded().await;
    let mut inside = Reader::open_as(&node, &of_user(1, &["a"]), &watching(&["a"])).await;
    inside.until("a", &[1]).await;
    let nothing = [of_user(2, &["b"]), of_user(2, &["b-*"]), of_user(2, &[]), token_for(&[], &["a"])];
    for outside in &nothing {
        assert_forbidden(&node.get_as(outside, "/room/a/presence").await, "read the room a");
        let stream = node.get_as(outside, &format!("/stream{}", watching(&["a"]))).await;
        assert_forbidden(&stream, "read the room a");
        let stream = node.get_as(outside, &format!("/stream{}", watching(&["b", "a"]))).await;
        assert_forbidden(&stream, "read the room");
    }
    challenge(&node.get("/room/a/presence").await);
    challenge(&node.get(&format!("/stream{}", watching(&["a"]))).await);
    // And nobody was seen who was refused.
    let page = node.get_as(&of_user(3, &["*"]), "/room/a/presence").await.body;
    assert_eq!((&page["count"], &page["users"][0]["user_id"]), (&1.into(), &user(1).into()));
    let mut elsewhere = Reader::open_as(&node, &of_user(2, &["b"]), &watching(&["b"])).await;
    elsewhere.until("b", &[2]).await;
    assert_eq!(elsewhere.rooms.len(), 1);
}

#[tokio::test]
async fn who_has_a_token_is_there_as_its_subject_and_as_nobody_else() {
    let (_world, node) = guarded().await;
    let mine = of_user(0xab, &["a"]);
    let path = |said: &str| format!("/stream{}&user_id={said}", watching(&["a"]));
    assert_forbidden(&node.get_as(&mine, &path(&user(2))).await, "the `sub` of the token");
    let answer = node.get_as(&mine, &path("me")).await;
    assert_problem("no UUID", &answer, 422, "user_id");
    let mut reader = Reader::open_as(&node, &mine, &format!("{}&user_id={}", watching(&["a"]), user(0xab))).await;
    reader.until("a", &[0xab]).await;
    // However a token writes its subject, it is the same user.
    let shouted = token(&with(claims(&["a"], &[]), "sub", user(0xab).to_uppercase()));
    let _second = node.stream_as(&shouted, &watching(&["a"])).await;
    soon("it is the same user", async {
        loop {
            let page = node.get_as(&mine, "/room/a/presence").await.body;
            assert_eq!(page["count"], 1, "{page}");
            if page["users"][0]["connections"] == 2 {
                break;
            }
        }
    })
    .await;
    // One without a UUID can only leave it out.
    let reads = token(&with(claims(&["a"], &[]), "sub", "a reader"));
    assert_forbidden(&node.get_as(&reads, &path(SENDER)).await, "the `sub` of the token");
    let _third = node.stream_as(&reads, &watching(&["a"])).await;
    assert_eq!(reader.stream.next().await.data()["data"]["user_id"], "a reader");
}

#[tokio::test]
async fn presence_needs_the_names_of_its_rooms() {
    let (_world, node) = guarded().await;
    for rooms in [&["a", "b"][..], &["*"], &["b-*"]] {
        // That the token names rooms does not name them.
        let answer = node.get_as(&of_user(1, rooms), "/stream?presence=true").await;
        assert_problem("no room", &answer, 422, "presence");
        let said: &Value = &answer.body["errors"][0]["detail"];
        assert!(said.as_str().unwrap().contains("`room`"), "{said}");
    }
    let many = node.get_as(&of_user(1, &["*"]), &format!("/stream{}", watching(&["a", "b", "c", "d"]))).await;
    assert_problem("too many rooms", &many, 422, "room");
    let answer = node.get_as(&of_user(1, &["*"]), "/stream?room=a&presence=perhaps").await;
    assert_problem("neither yes nor no", &answer, 422, "presence");
}

#[tokio::test]
async fn who_is_there_by_a_token_goes_with_it() {
    for writers in ["2", "0"] {
        let world = World::new().await;
        let node = world.node_with(&[&QUICK[..], &GUARDED, &[("WRITERS", writers)]].concat()).await;
        let mut stays = Reader::open_as(&node, &of_user(1, &["a"]), &watching(&["a"])).await;
        stays.until("a", &[1]).await;
        let short = token(&with(with(claims(&["a"], &[]), "sub", user(2)), "exp", in_seconds(3)));
        let mut goes = Reader::open_as(&node, &short, &watching(&["a"])).await;
        goes.until("a", &[1, 2]).await;
        assert_eq!(stays.next().await, "a +2");
        let bye = goes.stream.next().await;
        assert!(bye.data()["message"].as_str().unwrap().contains("token has expired"), "{bye:?}");
        assert_eq!(soon("the end", goes.stream.try_next()).await, None);
        assert_eq!(stays.next().await, "a -2", "with writers={writers}");
        assert!(challenge(&node.get_as(&short, "/room/a/presence").await).contains("has expired"));
    }
}

#[tokio::test]
async fn asking_who_is_there_is_reading_and_counted_as_that() {
    let world = World::new().await;
    let settings = [("RATE_READ", "2/1h"), ("RATE_STREAM", "1/1h"), ("REDIS_PATIENCE", "10s")];
    let node = world.node_with(&settings).await;
    for left in ["1", "0"] {
        let answer = node.get("/room/stream/presence").await;
        assert_eq!((answer.status, answer.headers["ratelimit-remaining"].to_str().unwrap()), (StatusCode::OK, left));
    }
    assert_problem("one too many", &node.get("/room/a/presence").await, 429, "");
    node.stream(&watching(&["a"])).await;
    assert_problem("one too many", &node.get(&format!("/stream{}", watching(&["a"]))).await, 429, "");
}
