//! What is said to the model is a message, and so is what it replies; on the way there the reply is a session, whatever
//! happens to the model, the node, Redis, or whoever asked.

mod aliases;
mod bounds;
mod budgets;
mod cancelling;
mod endings;
mod failures;
mod repeats;
mod replies;
mod trouble;

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use reqwest::{Method, RequestBuilder, StatusCode};
use rowcast::{chat::model::Dialect, session::Followed};
use serde_json::{Value, json};
use sqlx::{Executor, PgConnection};
use uuid::Uuid;

use crate::{
    model::{stop, text},
    session_readers::hall::{Reading, Told},
    support::{Answer, Node, SENDER, Script, Upstream, World, soon, until},
};

const KEY: &str = "sk-hunter2-0123456789";

/// In whose name replies are written, where nothing else is set.
const MODEL: &str = "b8e1a3b1-6666-456a-b6b4-eba074085360";

const OPENAI: Dialect = Dialect::Openai;

/// Each piece comes after a cue, and so does the end.
fn on_cue(pieces: &[&str]) -> Script {
    let script = pieces.iter().fold(Script::stream(), |script, piece| script.say(text(OPENAI, piece)).wait());
    script.say(stop(OPENAI)).end()
}

/// A first piece, and then nothing.
fn held() -> Script {
    Script::stream().say(text(OPENAI, "first ")).hold()
}

/// A whole reply at once.
fn whole(reply: &str) -> Script {
    Script::stream().say(text(OPENAI, reply)).say(stop(OPENAI)).end()
}

/// How a node is set that asks this model.
fn asking<'a>(upstream: &'a Upstream, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let settings = [
        ("LLM_DIALECT", "openai"),
        ("LLM_BASE_URL", &*upstream.url),
        ("LLM_API_KEY", KEY),
        ("LLM_MODEL", "usual"),
        ("RATE_CHAT", "1000/1min"),
        ("LOG", "error"),
    ];
    [&settings, more].concat()
}

async fn node(world: &World, upstream: &Upstream, more: &[(&str, &str)]) -> Node {
    world.node_with(&asking(upstream, more)).await
}

/// A world, a model that plays these, and a node that asks it.
async fn stage(scripts: impl Into<Vec<Script>>, more: &[(&str, &str)]) -> (World, Upstream, Node) {
    let (world, upstream) = (World::new().await, Upstream::play(scripts).await);
    let node = node(&world, &upstream, more).await;
    (world, upstream, node)
}

/// What somebody says.
fn saying(message: &str) -> Value {
    json!({ "user_id": SENDER, "message": message })
}

/// The same, under an id of one's own.
fn saying_under(id: &str, message: &str) -> Value {
    json!({ "session_id": id, "user_id": SENDER, "message": message })
}

fn new_id() -> String {
    Uuid::new_v4().to_string()
}

/// Asks, which must be taken; the session's id.
async fn ask(node: &Node, body: &Value) -> String {
    let answer = node.post("/chat", body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    answer.body["session_id"].as_str().unwrap().to_owned()
}

fn for_events(node: &Node, path: &str, body: &Value) -> RequestBuilder {
    node.http.post(format!("{}{path}", node.url)).header("Accept", "text/event-stream").json(body)
}

/// Asks, and reads the reply as it comes.
async fn ask_inline(node: &Node, body: &Value) -> Reading {
    read(for_events(node, "/chat", body)).await
}

/// The events of an answer, which must be a stream.
async fn read(request: RequestBuilder) -> Reading {
    let response = soon("a stream", request.send()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let events = stream::unfold((response, Vec::new()), |(mut response, mut rest)| async move {
        loop {
            if let Some(end) = memchr::memmem::rfind(&rest, b"\n\n") {
                let after = rest.split_off(end + 2);
                return Some((Ok::<_, Infallible>(Bytes::from(rest)), (response, after)));
            }
            rest.extend_from_slice(&response.chunk().await.ok()??);
        }
    });
    Reading::of(Followed::Events(events.boxed()))
}

/// Replies that are whole, but not written as messages: who has not seen a chunk by then is given the message alone.
struct HeldBack(PgConnection);

impl HeldBack {
    async fn of(world: &World) -> Self {
        world
            .sql(
                "create function hold_back() returns trigger language plpgsql as
                 $$ begin perform pg_advisory_xact_lock_shared(7); return new; end $$",
            )
            .await;
        world
            .sql(
                "create trigger hold_back before insert on messages for each row when (new.session_id is not null)
                 execute function hold_back()",
            )
            .await;
        let mut session = world.session().await;
        session.execute("select pg_advisory_lock(7)").await.unwrap();
        Self(session)
    }

    /// Lets them be written when the reader has seen all of this.
    async fn until_seen(mut self, reader: &mut Reading, text: &str) {
        while reader.text != text {
            reader.next().await;
        }
        self.0.execute("select pg_advisory_unlock(7)").await.unwrap();
    }
}

/// Follows a session, from after a chunk.
async fn follow(node: &Node, id: &str, after: Option<u64>) -> Reading {
    let request = node.http.get(format!("{}/session/{id}/stream", node.url));
    let request = after.iter().fold(request, |request, after| request.header("Last-Event-ID", after.to_string()));
    read(request).await
}

/// How a session is.
async fn look(node: &Node, id: &str) -> Value {
    node.get(&format!("/session/{id}")).await.body
}

/// A session as soon as it is in this state.
async fn ended(node: &Node, id: &str, state: &str) -> Value {
    until("the session has ended", async || look(node, id).await["state"] == state).await;
    look(node, id).await
}

async fn cancel(node: &Node, id: &str, query: &str) -> Value {
    node.send(Method::DELETE, &format!("/session/{id}{query}"), None).await.body
}

/// What was written: by whom, what, and as which session.
async fn written(world: &World) -> Vec<(String, String, Option<String>)> {
    let query = "select sender_id::text, content, session_id::text from messages order by id";
    sqlx::query_as(query).fetch_all(&world.pool).await.unwrap()
}

/// A message of the usual user.
fn said(message: &str) -> (String, String, Option<String>) {
    (SENDER.to_owned(), message.to_owned(), None)
}

/// A message of the model.
fn replied(id: &str, reply: &str) -> (String, String, Option<String>) {
    (MODEL.to_owned(), reply.to_owned(), Some(id.to_owned()))
}

/// Why a session failed, as its readers are told.
#[track_caller]
fn assert_failed(told: &Told, reason: &str, kind: &str) {
    assert_eq!(told.name, "session_failed", "{told:?}");
    let kind = if kind.is_empty() { Value::Null } else { kind.into() };
    assert_eq!((&told.data["reason"], &told.data["kind"]), (&json!(reason), &kind), "{told:?}");
}

/// A header.
fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name).map(|value| value.to_str().unwrap())
}
