//! What one room's token opens in another: nothing, by no operation, live or from the past.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{
    Answer, Events, Node, SENDER, message_in,
    tokens::{claims, guarded, token, token_for, with},
};

const OTHER: &str = "9b2f1a52-7a3e-4f0f-9d4e-3f1f0b6a2c11";

/// A token of someone who has written nothing yet.
fn others(read: &[&str], write: &[&str], scope: Option<&str>) -> String {
    token(&with(with(claims(read, write), "sub", OTHER), "scope", scope))
}

async fn status(node: &Node, token: &str, method: &Method, path: &str, body: Option<&Value>) -> u16 {
    let mut request = node.http.request(method.clone(), format!("{}{path}", node.url)).bearer_auth(token);
    if let Some(body) = body {
        request = request.json(body);
    }
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn cwe_862_each_operation_asks_for_its_own_right() {
    let (world, node) = guarded(&[]).await;
    let id = node.say_as(&token_for(&[], &["a"]), message_in("a", "x")).await;
    let (one, patch) = (format!("/message/{id}"), json!({ "content": "changed" }));
    let mut own = message_in("a", "own");
    own["sender_id"] = OTHER.into();
    let callers = [
        others(&[], &[], None),
        others(&["a"], &[], None),
        others(&[], &["a"], None),
        others(&["b"], &["b"], Some("moderate")),
        others(&["a"], &["a"], None),
        others(&["a"], &["a"], Some("moderate")),
    ];
    #[rustfmt::skip]
    let matrix = [
        //                               nothing, read, write, moderates elsewhere, another's message, moderates here
        (Method::GET, "/message?room=a", None, [403, 200, 403, 403, 200, 200]),
        (Method::GET, "/message", None, [403, 200, 403, 200, 200, 200]),
        (Method::HEAD, "/message?room=a", None, [403, 200, 403, 403, 200, 200]),
        (Method::GET, &*one, None, [404, 200, 404, 404, 200, 200]),
        (Method::GET, "/stream?room=a", None, [403, 200, 403, 403, 200, 200]),
        (Method::GET, "/stream?room=b&room=a", None, [403, 403, 403, 403, 403, 403]),
        (Method::GET, "/stream?room=a&last_event_id=1-0", None, [403, 200, 403, 403, 200, 200]),
        (Method::GET, "/stream?room=a&presence=true", None, [403, 200, 403, 403, 200, 200]),
        (Method::GET, "/room/a/presence", None, [403, 200, 403, 403, 200, 200]),
        (Method::POST, "/message", Some(own), [403, 403, 201, 403, 201, 201]),
        (Method::POST, "/message", Some(message_in("a", "in another's name")), [403; 6]),
        (Method::PATCH, &*one, Some(patch), [404, 403, 404, 404, 403, 200]),
        (Method::DELETE, &*one, None, [404, 403, 404, 404, 403, 204]),
    ];
    for (method, path, body, wanted) in matrix {
        for (number, (caller, wanted)) in callers.iter().zip(wanted).enumerate() {
            let got = status(&node, caller, &method, path, body.as_ref()).await;
            assert_eq!(got, wanted, "{method} {path} by caller {number}");
        }
    }
    let theirs = "select count(*) from messages where content = 'in another''s name'";
    assert_eq!(world.number(theirs).await, 0);
    assert_eq!(node.get_as(&callers[3], "/message").await.body["messages"], json!([]), "elsewhere there is nothing");
}

/// All that a stream tells up to the message `end`.
async fn told(stream: &mut Events) -> String {
    let mut all = String::new();
    while !all.contains("\"end\"") {
        all.push_str(&stream.next().await.text);
    }
    all
}

#[tokio::test]
async fn cwe_200_a_stream_tells_of_no_change_in_another_room() {
    for writers in ["2", "0"] {
        let (world, node) = guarded(&[("WRITERS", writers), ("RING_CHANGES", "4")]).await;
        let (reader, writer) = (token_for(&["a"], &[]), token_for(&["*"], &["*"]));
        let (mut live, mut named) = (node.stream_as(&reader, "").await, node.stream_as(&reader, "?room=a").await);
        let secret = node.say_as(&writer, message_in("b", "secret 1")).await;
        let moved = node.say_as(&writer, message_in("a", "told")).await;
        let patch = json!({ "content": "secret 2" });
        node.send_as(&writer, Method::PATCH, &format!("/message/{secret}"), Some(&patch)).await;
        world.sql(&format!("update messages set room = 'c', content = 'secret 3' where id = {secret}")).await;
        // Who follows the room that it leaves learns that it is gone, and not what has become of it.
        world.sql(&format!("update messages set room = 'b', content = 'secret 4' where id = {moved}")).await;
        node.send_as(&writer, Method::DELETE, &format!("/message/{secret}"), None).await;
        node.say_as(&writer, message_in("a", "end")).await;
        let mut replayed = node.stream_as(&reader, "?last_event_id=1-0").await;
        let mut one = node.stream_as(&reader, "?room=a&last_event_id=1-0").await;
        for stream in [&mut live, &mut named, &mut replayed, &mut one] {
            let all = told(stream).await;
            assert!(!all.contains("secret") && !all.contains("\"b\"") && !all.contains("\"c\""), "{all}");
            assert!(all.contains("new_message") && all.contains("deleted_message"), "{all}");
        }
    }
}

async fn post(node: &Node, token: &str, body: &Value) -> Answer {
    let request = node.http.post(format!("{}/message", node.url)).header("Idempotency-Key", "the-same");
    Answer::of(request.bearer_auth(token).json(body)).await
}

#[tokio::test]
async fn cwe_639_a_key_of_another_user_brings_nothing_of_theirs() {
    let (world, node) = guarded(&[("REDIS_PATIENCE", "10s")]).await;
    let (mine, theirs) = (token_for(&["a"], &["a"]), others(&["a"], &["a"], Some("moderate")));
    let first = post(&node, &mine, &message_in("a", "mine")).await;
    assert_eq!(first.status, StatusCode::CREATED);
    // In their own name it is a message of their own.
    let own = json!({ "content": "mine", "sender_id": OTHER, "room": "a" });
    let second = post(&node, &theirs, &own).await;
    assert_eq!((second.status, second.headers.get("idempotency-replayed")), (StatusCode::CREATED, None));
    assert_ne!(second.body["id"], first.body["id"]);
    let forged = post(&node, &theirs, &message_in("a", "mine")).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN, "{}", forged.body);
    // Nor does one's own, once the right to write is lost.
    for lost in [token_for(&["a"], &[]), token_for(&["a"], &["b"]), token_for(&[], &[])] {
        let answer = post(&node, &lost, &message_in("a", "mine")).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(!answer.body.to_string().contains(SENDER), "{}", answer.body);
    }
    assert_eq!(post(&node, &mine, &message_in("a", "mine")).await.body, first.body);
    assert_eq!(world.number("select count(*) from messages").await, 2);
}
