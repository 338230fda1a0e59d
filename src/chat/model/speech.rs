//! What is spoken with a service: the one place where dialects differ.

use reqwest::{Url, header::HeaderMap};
use serde_json::Value;

use super::{
    ApiKey, BaseUrl, Delta, Finish, ModelError, Question, anthropic,
    openai::{self, Most},
    sse::Event,
};

/// A dialect that a service speaks.
#[derive(Clone, Copy)]
pub(super) enum Speech {
    Openai(Most),
    Anthropic,
}

/// What was told of a reply before its end.
pub(super) struct Progress {
    pub(super) tokens: Option<u64>,
    pub(super) reason: Finish,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { tokens: None, reason: Finish::Other }
    }

    pub(super) fn done(&self) -> Delta {
        Delta::Done { tokens: self.tokens, reason: self.reason }
    }
}

impl Speech {
    /// As the service at this address speaks it.
    pub(super) fn openai(base: Option<&BaseUrl>) -> Self {
        Self::Openai(if base.is_none_or(|url| url.is_at(openai::HOST)) { Most::Completion } else { Most::All })
    }

    /// Where replies are asked for.
    pub(super) fn url(self, base: Option<&BaseUrl>) -> Url {
        let (inventors, path) = match self {
            Self::Openai(_) => (openai::BASE, openai::PATH),
            Self::Anthropic => (anthropic::BASE, anthropic::PATH),
        };
        let inventors = || BaseUrl::new(inventors).expect("the inventor's address is one");
        base.cloned().unwrap_or_else(inventors).join(path)
    }

    pub(super) fn headers(self, key: Option<&ApiKey>) -> HeaderMap {
        match self {
            Self::Openai(_) => openai::headers(key),
            Self::Anthropic => anthropic::headers(key),
        }
    }

    pub(super) fn body(self, question: &Question<'_>) -> Value {
        match self {
            Self::Openai(most) => openai::body(question, most),
            Self::Anthropic => anthropic::body(question),
        }
    }

    /// What an event says, if it says anything.
    pub(super) fn read(self, event: &Event, progress: &mut Progress) -> Result<Option<Delta>, ModelError> {
        // Some proxies make events of what should be comments.
        if event.data.trim().is_empty() || event.data.starts_with(':') {
            return Ok(None);
        }
        match (self, &*event.name) {
            (_, "error") => Err(ModelError::reported(event)),
            (Self::Openai(_), "message") => openai::read(event, progress),
            (Self::Anthropic, name) if anthropic::EVENTS.contains(&name) => anthropic::read(event, progress),
            // There may be more of them some day.
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(base: &str) -> (String, bool) {
        let base = (!base.is_empty()).then(|| BaseUrl::new(base).unwrap());
        let speech = Speech::openai(base.as_ref());
        let question = Question { model: "m", system: None, turns: &[], max_tokens: 5 };
        let body = speech.body(&question);
        assert!(body["max_tokens"] == 5 || body["max_completion_tokens"] == 5);
        (speech.url(base.as_ref()).into(), body["max_tokens"].is_null())
    }

    #[test]
    fn the_inventors_are_where_they_are_and_know_their_own_words() {
        assert_eq!(at(""), ("https://api.openai.com/v1/chat/completions".to_owned(), true));
        assert_eq!(at("https://api.openai.com/v2"), ("https://api.openai.com/v2/chat/completions".to_owned(), true));
        assert_eq!(at("http://ollama/v1"), ("http://ollama/v1/chat/completions".to_owned(), false));
        assert_eq!(Speech::Anthropic.url(None).as_str(), "https://api.anthropic.com/v1/messages");
    }
}
