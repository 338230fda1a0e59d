//! Whoever asks twice under one id is answered, and the model is asked once.

use super::*;
use crate::{
    problems::assert_problem,
    support::{
        Figures, raw,
        tokens::{GUARDED, claims, token, with},
    },
};

#[tokio::test]
async fn two_tabs_at_once_on_two_nodes_ask_once() {
    let (world, upstream, one) = stage([on_cue(&["reply"])], &[]).await;
    let two = node(&world, &upstream, &[]).await;
    let (id, nodes) = (new_id(), [&one, &two]);
    let body = saying_under(&id, "hello");
    let asking = (0..8).map(|tab| nodes[tab % 2].post("/chat", &body));
    let answers = futures_util::future::join_all(asking).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 202]);
    for answer in answers {
        assert_eq!(answer.body["session_id"], json!(id));
        assert_eq!(answer.body["user_message_id"].is_null(), answer.status == StatusCode::OK, "{}", answer.body);
    }
    // One more, later, is read.
    let mut late = ask_inline(&two, &body).await;
    late.reach(0).await;
    upstream.cue();
    assert_eq!(late.last().await.name, "message_complete");
    for node in nodes {
        assert_problem("an id whose reply is there", &node.post("/chat", &body).await, 409, "");
    }
    assert_eq!(upstream.asked().len(), 1);
    assert_eq!(written(&world).await, [said("hello"), replied(&id, "reply")]);
}

#[tokio::test]
async fn an_id_is_for_its_user_and_its_room() {
    let (world, upstream, node) = stage([held()], &GUARDED).await;
    let (id, everywhere) = (new_id(), ["*"]);
    let other = "9b2f1a52-7a3e-4f0f-9d4e-3f1f0b6a2c11";
    let of = |user: &str| token(&with(claims(&everywhere, &everywhere), "sub", user));
    let chat = async |user: &str, room: &str| {
        let body = json!({ "session_id": id, "user_id": user, "message": "hello", "room": room });
        node.send_as(&of(user), Method::POST, "/chat", Some(&body)).await
    };
    assert_eq!(chat(SENDER, "a").await.status, StatusCode::ACCEPTED);
    assert_eq!(chat(SENDER, "a").await.status, StatusCode::OK);
    for refused in [chat(other, "a").await, chat(SENDER, "b").await] {
        assert_problem("another's id", &refused, 409, "");
        assert_eq!(refused.body["reason"], "taken");
    }
    upstream.is_asked(1).await;
    assert_eq!((upstream.asked().len(), written(&world).await.len()), (1, 1));
}

#[tokio::test]
async fn who_asks_again_needs_no_place() {
    let (_world, upstream, node) = stage([on_cue(&["reply"]), whole("other")], &[("LLM_CONCURRENT", "1")]).await;
    let id = new_id();
    ask(&node, &saying_under(&id, "hello")).await;
    assert_eq!(node.post("/chat", &saying_under(&id, "hello")).await.status, StatusCode::OK);
    for other in [saying("one too many"), saying_under(&new_id(), "and one more")] {
        let refused = node.post("/chat", &other).await;
        assert_problem("beyond the most replies", &refused, 503, "");
        assert_eq!(header(&refused, "retry-after"), Some("1"));
    }
    assert!((Figures::of(&node).await.one("rowcast_chat_refused_total") - 2.0).abs() < f64::EPSILON);
    upstream.cue();
    ended(&node, &id, "completed").await;
    until("there is a place again", async || node.post("/chat", &saying("next")).await.status == StatusCode::ACCEPTED)
        .await;
}

#[tokio::test]
async fn who_hangs_up_amid_asking_has_asked_all_the_same() {
    let (world, upstream, node) = stage([whole("reply")], &[]).await;
    let (id, mut writer) = (new_id(), world.session().await);
    let connections = async || Figures::of(&node).await.one("rowcast_connections");
    let before = connections().await;
    // What is said cannot be written for a while.
    sqlx::Executor::execute(&mut writer, "begin; lock table messages in exclusive mode").await.unwrap();
    let body = saying_under(&id, "hello").to_string();
    let head = format!(
        "POST /chat HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: {}",
        body.len()
    );
    let socket = raw::ask(&node, format!("{head}\r\n\r\n{body}")).await;
    until("the session is open", async || look(&node, &id).await["state"] == "created").await;
    drop(socket);
    until("the node has seen it", async || connections().await <= before).await;
    sqlx::Executor::execute(&mut writer, "commit").await.unwrap();
    ended(&node, &id, "completed").await;
    assert_eq!(upstream.asked().len(), 1);
    assert_eq!(written(&world).await, [said("hello"), replied(&id, "reply")]);
}
