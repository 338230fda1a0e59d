//! How a session ended is told in one event, on any node, whatever cursor a reader comes with and however often.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{
    reader::{Stream, Told, ask},
    table::two_nodes,
};
use crate::{
    problems::assert_problem,
    session::{append, at, batch, cancel, last_batch, look, opened},
    support::{Node, World, until},
};

/// What both nodes tell of it, which is the same: one event, and nothing before it.
async fn told(nodes: [&Node; 2], session: &Value) -> Told {
    let mut all = Vec::new();
    for node in nodes {
        for cursor in ["", "0", "1", "999999"] {
            let mut stream = Stream::after(node, session, cursor).await;
            let mut rest = stream.rest().await;
            assert_eq!((rest.len(), stream.reading.retries.len()), (1, 1), "from {cursor:?}: {rest:?}");
            all.push(rest.remove(0));
        }
        let seen = ask(node, session, "end").await;
        assert_eq!((seen.status(), seen.text().await.unwrap().as_str()), (StatusCode::NO_CONTENT, ""));
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
    all.remove(0)
}

/// A session that is complete, and how that was told to one who was there.
async fn complete(node: &Node) -> (Value, Told) {
    let session = opened(node).await;
    let mut stream = Stream::of(node, &session).await;
    append(node, &session, &last_batch(&[(2, " 🦀"), (0, "a\r\n"), (1, "b")], 2)).await;
    let last = stream.rest().await.pop().unwrap();
    (session, last)
}

/// Lets Redis forget a session.
async fn forget(world: &World, session: &Value) {
    let client = redis::Client::open(world.redis_url.as_str()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let name = format!("{}session:{{{}}}", world.prefix, session["id"].as_str().unwrap());
    let gone: u64 = redis::AsyncCommands::del(&mut redis, name).await.unwrap();
    assert_eq!(gone, 1);
}

#[tokio::test]
async fn what_is_complete_is_one_event_for_ever() {
    let world = World::new().await;
    let (one, other) = two_nodes(&world, &[]).await;
    let (session, last) = complete(&one).await;
    assert_eq!((last.name.as_str(), &last.data["chunk_count"]), ("message_complete", &json!(3)));
    assert_eq!(last.data["message"]["content"], "a\r\nb 🦀");
    assert_eq!(told([&one, &other], &session).await, last);
    forget(&world, &session).await;
    let late = told([&one, &other], &session).await;
    assert_eq!((late.name, &late.data["message"]), (last.name, &last.data["message"]));
    assert_eq!(late.data["message_id"], last.data["message_id"]);
}

#[tokio::test]
async fn a_message_that_was_deleted_is_told_no_more_and_when_redis_has_forgotten_it_too_nothing_is() {
    let world = World::new().await;
    let (one, other) = two_nodes(&world, &[]).await;
    let (session, last) = complete(&one).await;
    let path = format!("/message/{}", last.data["message_id"]);
    assert_eq!(one.send(reqwest::Method::DELETE, &path, None).await.status, StatusCode::NO_CONTENT);
    let late = told([&one, &other], &session).await;
    assert_eq!((late.name.as_str(), &late.data["message"]), ("message_complete", &Value::Null));
    assert_eq!(late.data["message_id"], last.data["message_id"]);
    assert_eq!(look(&other, &session).await["state"], "completed");
    // Of what nobody knows, nobody can tell that it ever was.
    forget(&world, &session).await;
    for node in [&one, &other] {
        for cursor in ["", "1", "end"] {
            assert_eq!(ask(node, &session, cursor).await.status(), StatusCode::NOT_FOUND);
        }
        assert_problem("the session", &node.get(&at(&session, "")).await, 404, "");
    }
}

#[tokio::test]
async fn what_failed_or_was_cancelled_is_one_event() {
    let world = World::new().await;
    let times = [("SESSION_MISSING_CHUNK_TIMEOUT", "500ms"), ("SESSION_REAP_INTERVAL", "50ms")];
    let (one, other) = two_nodes(&world, &times).await;
    let there = async |session: &Value| [Stream::of(&one, session).await, Stream::of(&other, session).await];
    let all_told = async |streams: [Stream; 2], session: &Value| {
        let last = told([&one, &other], session).await;
        for mut stream in streams {
            assert_eq!(stream.rest().await.pop().as_ref(), Some(&last), "who was there is told the same");
        }
        last
    };

    let failing = opened(&one).await;
    let streams = there(&failing).await;
    append(&other, &failing, &batch(&[(0, "a"), (2, "c"), (4, "e")])).await;
    until("it has failed", async || look(&one, &failing).await["state"] == "failed").await;
    let last = all_told(streams, &failing).await;
    let expected = json!({ "session_id": failing["id"], "reason": "missing_chunk", "head": 0, "missing": [1, 3] });
    assert_eq!((last.name.as_str(), last.data), ("session_failed", expected));

    for (query, kept) in [("?keep=true", json!("kept")), ("?keep=false", Value::Null)] {
        let session = opened(&one).await;
        let streams = there(&session).await;
        append(&one, &session, &batch(&[(0, "kept"), (2, "not")])).await;
        assert_eq!(cancel(&other, &session, query).await, "cancelled");
        let last = all_told(streams, &session).await;
        assert_eq!((last.name.as_str(), &last.data["message"]["content"]), ("session_cancelled", &kept));
    }
}
