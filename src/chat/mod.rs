//! Chat: somebody says something, and a model replies.
//!
//! What is said becomes a message like any other. The reply is a session, with this node as its producer: it is read,
//! resumed and cancelled like any other, on any node, and becomes a message in the end. Who asked need not wait for it.
//!
//! If the node dies, the model's answer is lost with it, for it cannot be resumed; the session fails, and says so.

pub mod model;
mod producer;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    message::NewMessage,
    metrics::METRICS,
    reply::{Opening, Reason},
    session::{Found, Opened, SessionError, Sessions},
    store::Store,
};
use model::{Model, Prompt};
use producer::{Broken, Producer};

/// How replies are made.
#[derive(Debug, Clone)]
pub struct Options {
    /// In whose name they are written.
    pub sender: Uuid,
    /// The most at once on this node.
    pub concurrent: usize,
    /// How long those under way have when the node is to stop.
    pub grace: Duration,
    /// The longest chunk, in bytes of UTF-8.
    pub chunk_bytes: usize,
}

/// Makes replies; a cheap handle.
#[derive(Clone)]
pub struct Chat(Arc<Inner>);

struct Inner {
    model: Model,
    sessions: Sessions,
    store: Store,
    options: Options,
    places: Arc<Semaphore>,
    producers: TaskTracker,
    /// Whether the model answered to the end when it was asked last; none before.
    answered: Mutex<Option<bool>>,
    /// The grace is over.
    cut: CancellationToken,
}

/// How the model is, as far as that was seen: nobody asks it just to know, since each question is paid.
#[derive(Debug, Clone, Copy)]
pub struct Stats {
    /// Replies that are being made here.
    pub replies: usize,
    /// Whether it answered to the end when it was asked last; none if it was not asked yet.
    pub answered: Option<bool>,
}

/// What somebody says, and what the model is asked for it.
#[derive(Debug)]
pub struct Question {
    /// The session that the reply will be.
    pub opening: Opening,
    /// Its id was chosen by who asks, and may have been used before.
    pub chosen: bool,
    /// The token of its producer.
    pub token: String,
    /// What is said.
    pub said: NewMessage,
    /// What the model is asked.
    pub prompt: Prompt,
}

/// What has become of a question.
#[derive(Debug)]
pub enum Asked {
    /// The model is asked; what was said is this message.
    Now(i64),
    /// It was asked before.
    Before,
}

/// Why the model is not asked. Nothing is said then either, or the session has failed.
#[derive(Debug, thiserror::Error)]
pub enum NotAsked {
    /// As many replies are being made as may be.
    #[error("as many replies are being made as may be")]
    Busy,
    /// The node goes away.
    #[error("no reply is begun any more: the node goes away")]
    Leaving,
    /// The most sessions are open.
    #[error("the most sessions are open")]
    Full,
    /// The session's id is another one's, or that of one that is over.
    #[error("the id was used before")]
    Taken,
    /// Sessions or messages cannot be had now.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// It was asked for, and nobody knows what has become of that.
    #[error("a question was lost: {0}")]
    Lost(#[from] tokio::task::JoinError),
}

impl Chat {
    /// Replies of this model.
    pub fn new(model: Model, sessions: Sessions, store: Store, options: Options) -> Self {
        let places = Arc::new(Semaphore::new(options.concurrent.min(Semaphore::MAX_PERMITS)));
        Self(Arc::new(Inner {
            model,
            sessions,
            store,
            options,
            places,
            producers: TaskTracker::new(),
            answered: Mutex::default(),
            cut: CancellationToken::new(),
        }))
    }

    /// The model that replies.
    pub fn model(&self) -> &Model {
        &self.0.model
    }

    /// How the model is.
    pub fn stats(&self) -> Stats {
        let replies = self.0.options.concurrent.saturating_sub(self.0.places.available_permits());
        Stats { replies, answered: *self.0.answered.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    fn note(&self, answered: bool) {
        // No code panics under this lock.
        *self.0.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(answered);
    }

    /// In whose name replies are written.
    pub fn sender(&self) -> Uuid {
        self.0.options.sender
    }

    /// Asks the model, unless it was asked this before. Nobody need wait for the reply.
    ///
    /// # Errors
    /// [`NotAsked`].
    pub async fn ask(&self, question: Question) -> Result<Asked, NotAsked> {
        let place = match self.enter() {
            Ok(place) => place,
            // Whoever asks again needs no place.
            Err(_) if question.chosen && self.is_there(&question.opening).await? => return Ok(Asked::Before),
            Err(refused) => {
                METRICS.chat.refused.inc();
                return Err(refused);
            }
        };
        // Who asks may hang up amid this. The session must not be left there without anybody who makes its reply: who
        // asks again would be told that the model was asked.
        let asking = self.clone().begin(place, question).in_current_span();
        self.0.producers.spawn(asking).await?
    }

    fn enter(&self) -> Result<OwnedSemaphorePermit, NotAsked> {
        Arc::clone(&self.0.places).try_acquire_owned().map_err(|error| match error {
            TryAcquireError::NoPermits => NotAsked::Busy,
            TryAcquireError::Closed => NotAsked::Leaving,
        })
    }

    /// Whether this session is open already.
    async fn is_there(&self, Opening { id, owner, sender, room }: &Opening) -> Result<bool, SessionError> {
        let found = self.0.sessions.find(*id).await?;
        Ok(found.is_some_and(|found| match found {
            Found::Known(it) => !it.state.is_over() && (&it.owner, &it.sender, &it.room) == (owner, sender, room),
            Found::Written(_) => false,
        }))
    }

    /// The session is opened first, and what is said is written second: who asks twice finds the session there.
    async fn begin(self, place: OwnedSemaphorePermit, question: Question) -> Result<Asked, NotAsked> {
        let Question { opening, chosen, token, said, prompt } = question;
        match self.0.sessions.open(&opening, &token, chosen).await? {
            Opened::New { .. } => {}
            Opened::There { .. } => return Ok(Asked::Before),
            Opened::Taken => return Err(NotAsked::Taken),
            Opened::Full => return Err(NotAsked::Full),
        }
        let id = opening.id;
        match self.0.store.add(&said).await {
            Ok(message) => {
                self.reply(place, id, token, prompt);
                Ok(Asked::Now(message.id))
            }
            Err(error) => {
                // If it cannot be told, it will be found to be silent.
                let _ = self.0.sessions.fail(id, Reason::PersistFailed, "").await;
                Err(SessionError::from(error).into())
            }
        }
    }

    /// Makes the reply to a prompt, in a session that is open and has this producer's token.
    fn reply(&self, place: OwnedSemaphorePermit, id: Uuid, token: String, prompt: Prompt) {
        let this = self.clone();
        let making = async move {
            let _place = place;
            METRICS.chat.replies.inc();
            let pouring = Producer::new(this.clone(), id, token).pour(prompt);
            let pour = tokio::spawn(pouring.in_current_span());
            let stop = pour.abort_handle();
            let ended = tokio::select! {
                poured = pour => match poured {
                    Ok(Ok(())) => {
                        this.note(true);
                        None
                    }
                    Ok(Err(broken)) => {
                        tracing::info!(session = %id, error = %broken, "a reply was not finished");
                        if let Broken::Model(_) = &broken {
                            this.note(false);
                        }
                        broken.reason()
                    }
                    Err(error) => {
                        tracing::error!(session = %id, %error, "a producer panicked");
                        Some((Reason::UpstreamError, "internal"))
                    }
                },
                () = this.0.cut.cancelled() => {
                    stop.abort();
                    Some((Reason::NodeShutdown, ""))
                }
            };
            if let Some((reason, kind)) = ended {
                this.fail(id, reason, kind).await;
            }
        };
        // Its lines in the log carry the id of the request.
        self.0.producers.spawn(making.in_current_span());
    }

    async fn fail(&self, id: Uuid, reason: Reason, kind: &'static str) {
        METRICS.chat.failed(if kind.is_empty() { reason.name() } else { kind });
        if let Err(error) = self.0.sessions.fail(id, reason, kind).await {
            // It will be found to be silent.
            tracing::warn!(session = %id, %error, "a session could not be told that it has failed");
        }
    }

    /// No reply is begun any more.
    pub fn close(&self) {
        self.0.places.close();
    }

    /// Waits until all replies are made, within the grace; those that are not fail.
    pub async fn stop(&self) {
        self.0.producers.close();
        if tokio::time::timeout(self.0.options.grace, self.0.producers.wait()).await.is_err() {
            self.0.cut.cancel();
            self.0.producers.wait().await;
        }
    }
}
