//! OpenAI's chat completions, as everybody speaks them: a chunk of JSON in each event, then `[DONE]`.

use reqwest::header::{AUTHORIZATION, HeaderMap};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiKey, Delta, Finish, ModelError, Question, Role, speech::Progress, sse::Event};

/// Where its inventor has it.
pub(super) const BASE: &str = "https://api.openai.com/v1";

/// The host of that.
pub(super) const HOST: &str = "api.openai.com";

/// What comes after the base.
pub(super) const PATH: &[&str] = &["chat", "completions"];

/// What the end is called.
const END: &str = "[DONE]";

/// How the most tokens are told: the inventor refuses the old word for its newer models, and others know no new one.
#[derive(Clone, Copy)]
pub(super) enum Most {
    /// Of all that there is.
    All,
    /// Of the completion.
    Completion,
}

impl Most {
    fn word(self) -> &'static str {
        match self {
            Self::All => "max_tokens",
            Self::Completion => "max_completion_tokens",
        }
    }
}

pub(super) fn headers(key: Option<&ApiKey>) -> HeaderMap {
    key.map(|key| (AUTHORIZATION, key.header("Bearer "))).into_iter().collect()
}

pub(super) fn body(question: &Question<'_>, most: Most) -> Value {
    let system = question.system.map(|text| json!({ "role": Role::System, "content": text }));
    let turns = question.turns.iter().map(|turn| json!(turn));
    json!({
        "model": question.model,
        "messages": system.into_iter().chain(turns).collect::<Vec<_>>(),
        "stream": true,
        "stream_options": { "include_usage": true },
        most.word(): question.max_tokens,
    })
}

#[derive(Deserialize)]
struct Chunk {
    object: Option<String>,
    choices: Option<Vec<Choice>>,
    usage: Option<Usage>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Part>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Part {
    content: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    completion_tokens: Option<u64>,
}

/// What an event says.
pub(super) fn read(event: &Event, progress: &mut Progress) -> Result<Option<Delta>, ModelError> {
    if event.data.trim() == END {
        return Ok(Some(progress.done()));
    }
    let chunk: Chunk = serde_json::from_str(&event.data).map_err(|_| ModelError::Unreadable)?;
    // Some servers send the error itself as the chunk.
    if chunk.error.is_some() || chunk.object.as_deref() == Some("error") {
        return Err(ModelError::reported(event));
    }
    progress.tokens = chunk.usage.and_then(|usage| usage.completion_tokens).or(progress.tokens);
    let Some(choice) = chunk.choices.and_then(|choices| choices.into_iter().next()) else { return Ok(None) };
    if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
        progress.reason = match &*reason {
            "stop" => Finish::Stop,
            "length" => Finish::Length,
            "content_filter" => Finish::Filtered,
            _ => Finish::Other,
        };
    }
    let text = choice.delta.and_then(|delta| delta.content).filter(|text| !text.is_empty());
    Ok(text.map(Delta::Text))
}
