//! Sessions over HTTP: opened once, written by whoever has the token and by nobody else, read by who may.

mod chunks;
mod following;
mod opening;
mod outcome;
mod refusals;
mod rights;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, Node, SENDER, soon};

/// A session that is nowhere.
const NOWHERE: &str = "00000000-0000-4000-8000-000000000000";

/// A session of the usual sender.
pub fn of_sender() -> Value {
    json!({ "sender_id": SENDER })
}

/// Opens a session that is new; what the opener is told.
pub async fn opened(node: &Node) -> Value {
    new(node.post("/session", &of_sender()).await)
}

/// What the opener of a session is told that is new.
#[track_caller]
pub fn new(answer: Answer) -> Value {
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    answer.body
}

/// The path of a session, or of something of it.
pub fn at(session: &Value, rest: &str) -> String {
    format!("/session/{}{rest}", session["id"].as_str().unwrap())
}

/// A batch of chunks.
pub fn batch(chunks: &[(u64, &str)]) -> Value {
    let chunk = |(id, text): &(u64, &str)| json!({ "chunk_id": id, "chunk": text });
    json!({ "chunks": chunks.iter().map(chunk).collect::<Vec<_>>() })
}

/// A batch with the last chunk of all.
pub fn last_batch(chunks: &[(u64, &str)], last: u64) -> Value {
    let mut batch = batch(chunks);
    batch["final_chunk_id"] = last.into();
    batch
}

/// Appends to a session, by its producer.
pub async fn append(node: &Node, session: &Value, batch: &Value) -> Answer {
    append_by(node, session, session["producer_token"].as_str().unwrap(), batch).await
}

/// Appends to a session, with this token of a producer.
pub async fn append_by(node: &Node, session: &Value, token: &str, batch: &Value) -> Answer {
    let request = node.http.post(format!("{}{}", node.url, at(session, "/chunk"))).json(batch);
    Answer::of(request.header("X-Producer-Token", token)).await
}

/// How a session is.
pub async fn look(node: &Node, session: &Value) -> Value {
    let answer = node.get(&at(session, "")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.body
}

/// Cancels a session; its state then.
pub async fn cancel(node: &Node, session: &Value, query: &str) -> Value {
    let answer = node.send(Method::DELETE, &at(session, query), None).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.body["state"].clone()
}

/// Follows a session, by a path that may have a query; nothing of the stream has been read.
async fn follow(node: &Node, token: Option<&str>, path: &str) -> reqwest::Response {
    let request = node.http.get(format!("{}{path}", node.url));
    let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
    soon("a stream or a refusal", request.send()).await.unwrap()
}
