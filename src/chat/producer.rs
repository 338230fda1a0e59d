//! The producer: asks the model, and pours its answer into a session.
//!
//! It appends as any producer does, by the same script, so order, bounds, fencing and the end are no affair of its own.
//! Words of the model are gathered for a moment: readers see no difference, and Redis has a tenth of the work.
//!
//! It stops when the session takes no more: somebody has cancelled it, on any node. Then it drops the answer, which
//! hangs up on the model. Nothing stops it because a reader has gone. What it has sent is kept until the end, so that
//! what Redis loses of it can be brought again.

use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use uuid::Uuid;

use super::{
    Chat,
    model::{Delta, Finish, ModelError, Prompt, Reply},
};
use crate::{
    metrics::METRICS,
    reply::{Batch, Reason, Receipt},
    session::{NotAppended, SessionError},
};

/// How long words are gathered, and how many bytes.
const GATHER: Duration = Duration::from_millis(40);
const GATHER_BYTES: usize = 256;

/// How often a model that says nothing is vouched for, while a producer may be silent: the session does not end for its
/// silence, the model's own timeout does that. One or two of them may come too late.
const SIGNS_OF_LIFE: u32 = 6;

/// Pauses between attempts to reach Redis.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The most chunks in a batch that brings again what Redis has lost, and no more than may be ahead of what it has.
const AGAIN: u64 = 64;

/// Why a reply was not finished.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The session takes no more: there is nobody to tell.
    #[error("the session takes no more")]
    Over,
    /// Redis has lost the session: readers find out for themselves.
    #[error("Redis has forgotten the session")]
    Forgotten,
    /// The model did not answer, or not to the end.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The reply is larger than a session may be.
    #[error("the reply is larger than a session may be")]
    TooLarge,
    /// There was no word in the answer.
    #[error("the model has said nothing")]
    Empty,
    /// Redis was away for too long.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl Broken {
    /// As readers are told it.
    pub(super) fn reason(&self) -> Option<(Reason, &'static str)> {
        match self {
            Self::Over => None,
            Self::Forgotten => Some((Reason::ProducerTimeout, "forgotten")),
            Self::Model(error) if error.is_timeout() => Some((Reason::UpstreamTimeout, error.kind())),
            Self::Model(error) => Some((Reason::UpstreamError, error.kind())),
            Self::TooLarge => Some((Reason::UpstreamError, "too_large")),
            Self::Empty => Some((Reason::Empty, "")),
            Self::Session(_) => Some((Reason::ProducerTimeout, "")),
        }
    }
}

/// A session that is written to.
pub(super) struct Producer {
    chat: Chat,
    id: Uuid,
    token: String,
    /// All chunks, as long as Redis may lose them.
    chunks: Vec<String>,
    /// What is gathered for the next.
    gathered: String,
}

impl Producer {
    pub(super) fn new(chat: Chat, id: Uuid, token: String) -> Self {
        Self { chat, id, token, chunks: Vec::new(), gathered: String::new() }
    }

    /// Asks the model, and appends what it says, to the end.
    pub(super) async fn pour(mut self, prompt: Prompt) -> Result<(), Broken> {
        let asked = Instant::now();
        let model = self.chat.0.model.clone();
        let deltas = deltas(async move { model.ask(&prompt).await });
        tokio::pin!(deltas);
        let mut bell = self.chat.0.sessions.bell(self.id);
        let every = (self.chat.0.sessions.bounds().idle / SIGNS_OF_LIFE).max(Duration::from_millis(1));
        let mut alive = interval_at(asked + every, every);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut flush, mut first) = (None, true);
        loop {
            let due = flush;
            tokio::select! {
                delta = deltas.next() => match delta {
                    Some(Ok(Delta::Text(text))) => {
                        if std::mem::take(&mut first) {
                            METRICS.chat.first_word.observe(asked.elapsed().as_secs_f64());
                        }
                        self.gather(&text);
                        flush.get_or_insert_with(|| Instant::now() + GATHER);
                    }
                    Some(Ok(Delta::Done { tokens, reason: finish })) => {
                        if finish != Finish::Stop {
                            tracing::info!(session = %self.id, ?finish, "the model has not said all: its reply ends here");
                        }
                        return self.finish(tokens, asked).await;
                    }
                    Some(Err(error)) => return Err(error.into()),
                    None => return Err(Broken::Empty),
                },
                () = async { sleep_until(due.unwrap_or_else(Instant::now)).await }, if due.is_some() => {
                    flush = None;
                    self.append(false, None).await?;
                }
                () = bell.rung() => {
                    bell.hush();
                    self.look().await?;
                }
                _ = alive.tick() => self.append(false, None).await?,
            }
            if self.gathered.len() >= GATHER_BYTES {
                flush = None;
                self.append(false, None).await?;
            }
        }
    }

    /// PostgreSQL's text holds every character but NUL.
    fn gather(&mut self, text: &str) {
        self.gathered.extend(text.chars().map(|c| if c == '\0' { '\u{FFFD}' } else { c }));
    }

    /// Whether the session still takes chunks: our own bell rings for what we append, too.
    async fn look(&mut self) -> Result<(), Broken> {
        match self.chat.0.sessions.is_open(self.id).await {
            // Whoever appends is told why.
            Ok(false) => self.append(false, None).await,
            Ok(true) | Err(_) => Ok(()),
        }
    }

    async fn finish(mut self, tokens: Option<u64>, asked: Instant) -> Result<(), Broken> {
        if self.gathered.is_empty() && self.chunks.is_empty() {
            return Err(Broken::Empty);
        }
        METRICS.chat.tokens.inc_by(tokens.unwrap_or_default());
        METRICS.chat.seconds.observe(asked.elapsed().as_secs_f64());
        self.append(true, tokens).await
    }

    /// Appends what is gathered, and what Redis has lost of all before. Nothing at all is a sign of life.
    async fn append(&mut self, last: bool, tokens: Option<u64>) -> Result<(), Broken> {
        let mut from = self.chunks.len();
        self.chunks.extend(pieces(&std::mem::take(&mut self.gathered), self.chat.0.options.chunk_bytes));
        let last = last.then(|| self.chunks.len() as u64 - 1);
        loop {
            from = self.bring(from, last, tokens).await?;
            if from >= self.chunks.len() {
                return Ok(());
            }
        }
    }

    /// Brings chunks from this one on, as often as it takes to reach Redis; no longer than a producer may be silent. How
    /// many are there then.
    async fn bring(&self, from: usize, last: Option<u64>, tokens: Option<u64>) -> Result<usize, Broken> {
        let (sessions, since) = (&self.chat.0.sessions, Instant::now());
        let most = AGAIN.min(sessions.bounds().window.saturating_add(1)) as usize;
        let chunks = (from as u64..).zip(self.chunks.iter().skip(from).take(most).cloned()).collect();
        let batch = Batch { chunks, last, tokens };
        let mut pause = PAUSE;
        loop {
            match sessions.append(self.id, &self.token, &batch).await {
                // Redis has lost so many that these are too far ahead.
                Ok(Ok(Receipt { count, .. }) | Err((NotAppended::Window, count))) => return Ok(count as usize),
                Ok(Err((NotAppended::TooMany | NotAppended::TooLarge, _))) => return Err(Broken::TooLarge),
                Ok(Err((NotAppended::Unknown, _))) => return Err(Broken::Forgotten),
                Ok(Err(_)) => return Err(Broken::Over),
                Err(error) if since.elapsed() > sessions.bounds().idle => return Err(error.into()),
                Err(_) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }
}

/// A text in pieces of so many bytes, or of one character if that has more.
fn pieces(mut text: &str, most: usize) -> impl Iterator<Item = String> {
    std::iter::from_fn(move || {
        let first = text.chars().next()?;
        let (piece, rest) = text.split_at(text.floor_char_boundary(most).max(first.len_utf8()));
        text = rest;
        Some(piece.to_owned())
    })
}

/// What the model says, as a stream: it can be waited for beside other things.
fn deltas(ask: impl Future<Output = Result<Reply, ModelError>>) -> impl Stream<Item = Result<Delta, ModelError>> {
    stream::once(ask).flat_map(|asked| match asked {
        Ok(reply) => stream::unfold(reply, |mut reply| async move { Some((reply.next().await, reply)) }).left_stream(),
        Err(error) => stream::iter([Err(error)]).right_stream(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::pieces;

    proptest! {
        #[test]
        fn a_text_is_cut_where_a_character_ends_and_nothing_of_it_is_lost(
            text in "[aäह🦀\\u{301}]{0,40}",
            most in 0..20_usize,
        ) {
            let pieces: Vec<String> = pieces(&text, most).collect();
            prop_assert_eq!(pieces.concat(), text);
            for piece in pieces {
                prop_assert!(!piece.is_empty() && (piece.len() <= most || piece.chars().count() == 1), "{}", piece);
            }
        }
    }
}
