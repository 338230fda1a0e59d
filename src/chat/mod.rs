//! Chat: somebody says something, and a model replies.
//!
//! What is said becomes a message like any other. The reply is a session, with this node as its producer: it is read,
//! resumed and cancelled like any other, on any node, and becomes a message in the end. Who asked need not wait for it.
//!
//! If the node dies, the model's answer is lost with it, for it cannot be resumed; the session fails, and says so.

pub mod model;
mod producer;

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{metrics::METRICS, reply::Reason, session::Sessions};
use model::{Model, Prompt};
use producer::Producer;

/// How replies are made.
#[derive(Debug, Clone)]
pub struct Options {
    /// In whose name they are written.
    pub sender: Uuid,
    /// The most at once on this node.
    pub concurrent: usize,
    /// How long those under way have when the node is to stop.
    pub grace: Duration,
}

/// Makes replies; a cheap handle.
#[derive(Clone)]
pub struct Chat(Arc<Inner>);

struct Inner {
    model: Model,
    sessions: Sessions,
    options: Options,
    places: Arc<Semaphore>,
    producers: TaskTracker,
    /// The grace is over.
    cut: CancellationToken,
}

/// As many replies are being made as may be.
#[derive(Debug, thiserror::Error)]
#[error("as many replies are being made as may be")]
pub struct Busy;

/// A place among those that are being made.
pub struct Place(#[expect(dead_code, reason = "it is given back when this is dropped")] OwnedSemaphorePermit);

impl Chat {
    /// Replies of this model.
    pub fn new(model: Model, sessions: Sessions, options: Options) -> Self {
        let places = Arc::new(Semaphore::new(options.concurrent));
        Self(Arc::new(Inner {
            model,
            sessions,
            options,
            places,
            producers: TaskTracker::new(),
            cut: CancellationToken::new(),
        }))
    }

    /// The model that replies.
    pub fn model(&self) -> &Model {
        &self.0.model
    }

    /// In whose name replies are written.
    pub fn sender(&self) -> Uuid {
        self.0.options.sender
    }

    /// Takes a place for a reply.
    ///
    /// # Errors
    /// [`Busy`].
    pub fn enter(&self) -> Result<Place, Busy> {
        Arc::clone(&self.0.places).try_acquire_owned().map(Place).map_err(|_| {
            METRICS.chat.refused.inc();
            Busy
        })
    }

    /// Makes the reply to a prompt, in a session that is open and has this producer's token. Nobody need wait.
    pub fn reply(&self, place: Place, id: Uuid, token: String, prompt: Prompt) {
        let this = self.clone();
        self.0.producers.spawn(async move {
            let _place = place;
            METRICS.chat.replies.inc();
            let pour = tokio::spawn(Producer::new(this.clone(), id, token).pour(prompt));
            let stop = pour.abort_handle();
            let ended = tokio::select! {
                poured = pour => match poured {
                    Ok(Ok(())) => None,
                    Ok(Err(broken)) => {
                        tracing::info!(session = %id, error = %broken, "a reply was not finished");
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
        });
    }

    async fn fail(&self, id: Uuid, reason: Reason, kind: &'static str) {
        METRICS.chat.failed(if kind.is_empty() { reason.name() } else { kind });
        if let Err(error) = self.0.sessions.fail(id, reason, kind).await {
            // It will be found to be silent.
            tracing::warn!(session = %id, %error, "a session could not be told that it has failed");
        }
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
