//! Who may open a session, see it, end it and give it another producer, where tokens say who calls.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{NOWHERE, append, at, batch, follow, new, of_sender};
use crate::support::{
    Answer, Node,
    tokens::{challenge, claims, guarded, token, token_for, with},
};

const OTHER: &str = "9b2f1a52-7a3e-4f0f-9d4e-3f1f0b6a2c11";

/// A token of another user.
fn of_other(read: &[&str], write: &[&str], scope: &str) -> String {
    token(&with(with(claims(read, write), "sub", OTHER), "scope", scope))
}

async fn open_as(node: &Node, token: &str, room: &str) -> Answer {
    let body = json!({ "sender_id": of_sender()["sender_id"], "room": room });
    node.send_as(token, Method::POST, "/session", Some(&body)).await
}

/// Everything that can be asked of a session by its id, but for what only a producer may.
const CALLS: [(Method, &str); 4] =
    [(Method::GET, ""), (Method::DELETE, ""), (Method::POST, "/producer"), (Method::GET, "/stream")];

#[tokio::test]
async fn opening_is_allowed_to_who_may_post_there_in_that_name() {
    let (_world, node) = guarded(&[]).await;
    assert_eq!(challenge(&node.post("/session", &of_sender()).await), "Bearer");
    assert_eq!(new(open_as(&node, &token_for(&[], &["a"]), "a").await)["room"], "a");
    let robot = token(&with(claims(&["*"], &["*"]), "sub", "robot"));
    let refused =
        [(token_for(&["*"], &["b"]), "the room a"), (of_other(&["*"], &["*"], ""), "the `sub`"), (robot, "UUID")];
    for (token, why) in refused {
        let answer = open_as(&node, &token, "a").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.body);
        assert!(answer.body["detail"].as_str().unwrap().contains(why), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_producer_needs_no_token_but_its_own() {
    let (_world, node) = guarded(&[]).await;
    let session = new(open_as(&node, &token_for(&["a"], &["a"]), "a").await);
    assert_eq!(append(&node, &session, &batch(&[(0, "x")])).await.status, StatusCode::OK);
    for (method, rest) in CALLS {
        assert_eq!(challenge(&node.send(method, &at(&session, rest), None).await), "Bearer", "{rest}");
    }
}

#[tokio::test]
async fn what_may_not_be_read_is_not_there() {
    let (_world, node) = guarded(&[]).await;
    let session = new(open_as(&node, &token_for(&["a"], &["a"]), "a").await);
    let id = session["id"].as_str().unwrap();
    for stranger in [of_other(&["b"], &["*"], "moderate"), of_other(&[], &[], "")] {
        for (method, rest) in CALLS {
            let hidden = node.send_as(&stranger, method.clone(), &at(&session, rest), None).await;
            let nothing = node.send_as(&stranger, method.clone(), &format!("/session/{NOWHERE}{rest}"), None).await;
            assert_eq!(hidden.status, StatusCode::NOT_FOUND, "{method} {rest}: {}", hidden.body);
            assert_eq!(hidden.body.to_string().replace(id, NOWHERE), nothing.body.to_string(), "{method} {rest}");
        }
    }
    // Whoever has opened it sees it, also where only writing is allowed; and who may read the room does.
    for reader in [token_for(&[], &[]), of_other(&["a"], &[], "")] {
        assert_eq!(node.get_as(&reader, &at(&session, "")).await.status, StatusCode::OK);
        assert_eq!(follow(&node, Some(&reader), &at(&session, "/stream")).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn only_the_owner_rotates_and_only_owner_and_moderators_cancel() {
    let (_world, node) = guarded(&[]).await;
    let owner = token_for(&["a"], &["a"]);
    let session = new(open_as(&node, &owner, "a").await);
    let ask =
        async |token: &str, method: Method, rest: &str| node.send_as(token, method, &at(&session, rest), None).await;
    let readers = [
        of_other(&["a"], &["a"], ""),
        of_other(&["a"], &["b"], "moderate"),
        token(&with(with(claims(&["a"], &["a"]), "sub", "robot"), "scope", "moderate")),
    ];
    for reader in &readers {
        for (method, rest) in [(Method::DELETE, ""), (Method::POST, "/producer")] {
            let answer = ask(reader, method, rest).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.body);
            assert!(answer.body["detail"].as_str().unwrap().contains("another's"), "{}", answer.body);
        }
    }
    let moderator = of_other(&["a"], &["a"], "moderate");
    assert_eq!(ask(&moderator, Method::POST, "/producer").await.status, StatusCode::FORBIDDEN);
    assert_eq!(ask(&owner, Method::POST, "/producer").await.status, StatusCode::OK);
    assert_eq!(ask(&owner, Method::GET, "").await.body["state"], "created", "nothing of it was done");
    let cancelled = ask(&moderator, Method::DELETE, "").await;
    assert_eq!((cancelled.status, &cancelled.body["state"]), (StatusCode::OK, &json!("cancelled")));
    let session = new(open_as(&node, &owner, "a").await);
    let cancelled = node.send_as(&owner, Method::DELETE, &at(&session, ""), None).await;
    assert_eq!((cancelled.status, &cancelled.body["state"]), (StatusCode::OK, &json!("cancelled")));
}

#[tokio::test]
async fn the_token_of_a_reader_may_be_in_the_query_of_a_stream_and_nowhere_else() {
    let (_world, node) = guarded(&[("JWT_QUERY", "true")]).await;
    let mine = token_for(&["a"], &["a"]);
    let session = new(open_as(&node, &mine, "a").await);
    let in_query = |rest: &str| at(&session, &format!("{rest}?access_token={mine}"));
    assert_eq!(follow(&node, None, &in_query("/stream")).await.status(), StatusCode::OK);
    assert_eq!(node.get(&in_query("")).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(node.send(Method::DELETE, &in_query(""), None).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_id_tells_nothing_to_another_who_wants_to_open_it() {
    let (_world, node) = guarded(&[]).await;
    let session = new(open_as(&node, &token_for(&["a"], &["a"]), "a").await);
    let body = json!({ "id": session["id"], "sender_id": OTHER, "room": "a" });
    let answer = node.send_as(&of_other(&["a"], &["a"], ""), Method::POST, "/session", Some(&body)).await;
    assert_eq!((answer.status, &answer.body["reason"]), (StatusCode::CONFLICT, &json!("taken")));
    assert_eq!(answer.body.get("producer_token"), None::<&Value>);
}
