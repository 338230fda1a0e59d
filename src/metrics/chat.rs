//! Chat: replies that were asked of the model.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

use super::{Why, add, known, sessions::long};

/// Replies of the model.
pub struct Chat {
    /// Replies that were begun.
    pub replies: Counter,
    /// Requests refused because as many replies are being made as may be.
    pub refused: Counter,
    failed: Family<Why, Counter>,
    /// Tokens of replies, as the model counts them.
    pub tokens: Counter,
    /// Seconds from the question to the first word.
    pub first_word: Histogram,
    /// Seconds from the question to the last.
    pub seconds: Histogram,
}

/// What can go wrong with a reply, beside what ends any session.
const KINDS: [&str; 21] = [
    "broken",
    "connect",
    "empty",
    "failed",
    "forgotten",
    "idle",
    "internal",
    "no_stream",
    "node_shutdown",
    "not_served",
    "overloaded",
    "producer_timeout",
    "rate_limited",
    "redirected",
    "rejected",
    "reported",
    "too_large",
    "total",
    "truncated",
    "unauthorized",
    "unreadable",
];

impl Chat {
    pub(super) fn new(to: &mut Registry) -> Self {
        let chat = Self {
            replies: add(to, "chat_replies", "Replies begun"),
            refused: add(to, "chat_refused", "Requests beyond LLM_CONCURRENT"),
            failed: add(
                to,
                "chat_failed",
                "Replies not finished, by what went wrong: with the model's service, or (node_shutdown, \
                 producer_timeout, forgotten, internal) here",
            ),
            tokens: add(to, "chat_tokens", "Tokens of replies, as the model counts them"),
            first_word: long(),
            seconds: long(),
        };
        to.register("chat_first_word_seconds", "From the question to the first word", chat.first_word.clone());
        to.register("chat_seconds", "From the question to the last word", chat.seconds.clone());
        known(&chat.failed, &KINDS);
        chat
    }

    /// A reply was not finished.
    pub fn failed(&self, reason: &'static str) {
        self.failed.get_or_create(&Why { reason }).inc();
    }
}
