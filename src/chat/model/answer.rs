//! A service's answer, read as it comes.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::Response;
use tokio::time::{Instant, timeout_at};

use super::{
    Delta, ModelError,
    key::loggable,
    service::{Service, causes},
    speech::Progress,
    sse::Decoder,
};

/// An answer under way. The connection is closed when it is dropped.
pub(super) struct Answer {
    response: Response,
    service: Arc<Service>,
    decoder: Decoder,
    unread: Bytes,
    progress: Progress,
    /// Since when bytes are waited for: who waits in several turns waits no longer.
    silent: Option<Instant>,
}

impl Answer {
    pub(super) fn new(response: Response, service: Arc<Service>) -> Self {
        let (decoder, unread) = (Decoder::new(service.event_bytes), Bytes::new());
        Self { response, service, decoder, unread, progress: Progress::new(), silent: None }
    }

    /// Reads one event, or waits for more bytes.
    pub(super) async fn step(&mut self) -> Result<Option<Delta>, ModelError> {
        let event = self.decoder.next(&mut self.unread).map_err(|_| ModelError::TooLarge(self.service.event_bytes))?;
        let Some(event) = event else {
            self.unread = self.more().await?;
            return Ok(None);
        };
        self.service.speech.read(&event, &mut self.progress).inspect_err(|error| {
            let said = loggable(event.data.as_bytes(), self.service.key.as_ref());
            tracing::warn!(%error, said, "a model's reply fails");
        })
    }

    /// Bytes of any kind are life: while a model thinks, its service sends comments.
    async fn more(&mut self) -> Result<Bytes, ModelError> {
        let since = *self.silent.get_or_insert_with(Instant::now);
        let chunk = timeout_at(since + self.service.idle, self.response.chunk()).await;
        let chunk = chunk.map_err(|_| ModelError::Idle(self.service.idle))?;
        self.silent = None;
        let chunk = chunk.map_err(|error| {
            tracing::warn!(cause = causes(error), "a model's reply breaks off");
            ModelError::Broken
        });
        chunk?.ok_or(ModelError::Truncated)
    }
}
