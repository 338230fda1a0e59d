//! Anthropic's messages: events of several types, the last of which is `message_stop`.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiKey, Delta, Finish, ModelError, Question, Role, speech::Progress, sse::Event};

/// Where its inventor has it.
pub(super) const BASE: &str = "https://api.anthropic.com/v1";

/// What comes after the base.
pub(super) const PATH: &[&str] = &["messages"];

/// The events that say something here; their data say which one it is, too, and so they may have lost their names.
pub(super) const EVENTS: [&str; 4] = ["message", "content_block_delta", "message_delta", "message_stop"];

/// The version of the dialect that is spoken here.
const VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

pub(super) fn headers(key: Option<&ApiKey>) -> HeaderMap {
    let version = (HeaderName::from_static("anthropic-version"), VERSION);
    let key = key.map(|key| (HeaderName::from_static("x-api-key"), key.header("")));
    [version].into_iter().chain(key).collect()
}

/// What the system says is not part of the conversation here.
pub(super) fn body(question: &Question<'_>) -> Value {
    let (system, turns): (Vec<_>, Vec<_>) = question.turns.iter().partition(|turn| turn.role == Role::System);
    let system: Vec<_> = question.system.into_iter().chain(system.iter().map(|turn| &*turn.content)).collect();
    let mut body = json!({
        "model": question.model,
        "messages": turns,
        "max_tokens": question.max_tokens,
        "stream": true,
    });
    if !system.is_empty() {
        body["system"] = system.join("\n\n").into();
    }
    body
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said {
    ContentBlockDelta {
        delta: Part,
    },
    MessageDelta {
        delta: End,
        usage: Option<Usage>,
    },
    MessageStop,
    Error,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Part {
    text: Option<String>,
}

#[derive(Deserialize)]
struct End {
    stop_reason: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    output_tokens: Option<u64>,
}

/// What an event says. Only text is text: what the model thinks, or asks tools, comes in fields of other names.
pub(super) fn read(event: &Event, progress: &mut Progress) -> Result<Option<Delta>, ModelError> {
    match serde_json::from_str(&event.data).map_err(|_| ModelError::Unreadable)? {
        Said::ContentBlockDelta { delta } => Ok(delta.text.filter(|text| !text.is_empty()).map(Delta::Text)),
        Said::MessageDelta { delta, usage } => {
            progress.tokens = usage.and_then(|usage| usage.output_tokens).or(progress.tokens);
            progress.reason = delta.stop_reason.map_or(progress.reason, |reason| reason_of(&reason));
            Ok(None)
        }
        Said::MessageStop => Ok(Some(progress.done())),
        Said::Error => Err(ModelError::reported(event)),
        Said::Other => Ok(None),
    }
}

fn reason_of(reason: &str) -> Finish {
    match reason {
        "end_turn" | "stop_sequence" => Finish::Stop,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "refusal" => Finish::Filtered,
        _ => Finish::Other,
    }
}
