//! A model's reply comes whole or not at all, is asked for once, and is bounded in every way: whatever its service does.

mod asking;
mod failures;
mod replies;
mod secrets;
mod times;

use rowcast::{
    chat::model::{ApiKey, BaseUrl, Delta, Dialect, Model, ModelError, Options, Prompt, Reason, Reply, Role, Turn},
    config::Settings,
};
use serde_json::{Value, json};

use crate::support::{Script, Upstream, soon};

const DIALECTS: [Dialect; 2] = [Dialect::Openai, Dialect::Anthropic];
const KEY: &str = "sk-hunter2-0123456789";

/// How a model behind this address is asked.
fn options(dialect: Dialect, url: &str) -> Options {
    Options {
        dialect,
        base_url: BaseUrl::new(url),
        key: ApiKey::new(KEY),
        model: Some("usual".to_owned()),
        ..Settings::defaults().unwrap().chat.model()
    }
}

fn model(dialect: Dialect, upstream: &Upstream) -> Model {
    Model::new(options(dialect, &upstream.url)).unwrap()
}

fn turn(role: Role, content: &str) -> Turn {
    Turn { role, content: content.to_owned() }
}

fn prompt() -> Prompt {
    Prompt { model: None, turns: vec![turn(Role::User, "hello")] }
}

/// An event of Anthropic's.
fn event(kind: &str, data: &Value) -> String {
    let mut data = data.clone();
    data["type"] = kind.into();
    format!("event: {kind}\ndata: {data}\n\n")
}

/// An event with text.
pub fn text(dialect: Dialect, text: &str) -> String {
    if dialect == Dialect::Anthropic {
        let delta = json!({ "type": "text_delta", "text": text });
        return event("content_block_delta", &json!({ "index": 0, "delta": delta }));
    }
    let choice = json!({ "index": 0, "delta": { "content": text }, "finish_reason": null });
    format!("data: {}\n\n", json!({ "choices": [choice] }))
}

/// The events that end a reply for this reason, in the dialect's word, after so many tokens.
fn end(dialect: Dialect, reason: &str, tokens: u64) -> String {
    if dialect == Dialect::Anthropic {
        let delta = json!({ "delta": { "stop_reason": reason }, "usage": { "output_tokens": tokens } });
        return event("message_delta", &delta) + &event("message_stop", &json!({}));
    }
    let choice = json!({ "index": 0, "delta": {}, "finish_reason": reason });
    let (last, usage) = (json!({ "choices": [choice] }), json!({ "completion_tokens": tokens }));
    format!("data: {last}\n\ndata: {}\n\ndata: [DONE]\n\n", json!({ "choices": [], "usage": usage }))
}

/// The usual end.
pub fn stop(dialect: Dialect) -> String {
    end(dialect, if dialect == Dialect::Anthropic { "end_turn" } else { "stop" }, 7)
}

const STOPPED: Delta = Delta::Done { tokens: Some(7), reason: Reason::Stop };

/// The text up to the end of a reply, and how it ended.
async fn whole(mut reply: Reply) -> (String, Result<Delta, ModelError>) {
    let mut text = String::new();
    loop {
        match soon("the next piece", reply.next()).await {
            Ok(Delta::Text(more)) => text.push_str(&more),
            end => return (text, end),
        }
    }
}

/// What becomes of a reply that is played so.
async fn played(dialect: Dialect, script: Script) -> (String, Result<Delta, ModelError>) {
    let upstream = Upstream::play([script]).await;
    whole(ask(&model(dialect, &upstream)).await.unwrap()).await
}

async fn ask(model: &Model) -> Result<Reply, ModelError> {
    soon("the reply begins", model.ask(&prompt())).await
}
