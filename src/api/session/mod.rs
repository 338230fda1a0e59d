//! `/session`: replies that are still being written, over HTTP.
//!
//! Who opens a session gets the token of its producer; with that, and with no other right, the producer brings chunks.
//! So who writes the text need not be who asked for it, and knows nothing of users. Whoever may not read a session is
//! told what is told of one that is not there.

mod answer;
mod body;
mod events;
mod follow;
pub(super) mod producer;
mod refusal;
mod view;

use std::{error::Error, time::Duration};

use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Header, Path, Query},
};
use uuid::Uuid;

use answer::{Appended, Cancelled, Got, Open, Rotated};
use body::{CancelledSession, NewChunks, NewSession, OpenedSession, ProducerToken};
pub use events::SessionEvent;
pub(super) use follow::Following;
use producer::Producer;
pub use refusal::Refusal;
use view::SessionView;

use super::{
    Tag,
    caller::Caller,
    failed::{BODY, CALLER, CONFLICT, Failed, INVALID, NOT_FOUND, UNAVAILABLE},
    message::{KEY, check_room},
    problem::ApiError,
    rights, stream,
    wire::Wire,
};
use crate::{
    auth::Principal,
    limit::{Place, Streams},
    reply::{Cursor, Opening, State, head},
    session::{Found, NotRotated, Opened, Sessions},
};

/// When a caller that has its most sessions open may try again, in seconds: about as long as a reply takes.
const MANY_RETRY: u32 = 5;

/// What a producer may bring at once, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    /// The longest chunk, in bytes of UTF-8.
    pub chunk_bytes: usize,
    /// The most chunks.
    pub batch: usize,
    /// The longest text, in bytes of UTF-8.
    pub bytes: usize,
    /// How long a session may be open.
    pub age: Duration,
}

/// The calls on sessions.
#[derive(Clone)]
pub(super) struct SessionApi {
    /// All sessions.
    pub sessions: Sessions,
    /// What a producer may bring at once.
    pub limits: SessionLimits,
    /// How many streams each caller may have open.
    pub streams: Streams,
}

#[OpenApi(tag = "Tag::Session")]
impl SessionApi {
    /// Open a session
    ///
    /// It is for a reply that a producer is about to write. The producer brings its chunks to `chunk_url`, with the
    /// `producer_token` of the answer; readers follow it at `stream_url`. Who chooses the id can repeat the call, and
    /// finds the same session open.
    #[oai(path = "/session", method = "post", operation_id = "openSession")]
    async fn open(
        &self,
        request: &Request,
        caller: Caller,
        /// The session's `id`, if it is not in the body: so that the call can be repeated when its answer is lost.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: Header<Option<Uuid>>,
        new: Wire<NewSession>,
    ) -> Result<Open, Failed<{ BODY | CALLER | CONFLICT | UNAVAILABLE }>> {
        let _ = idempotency_key.0;
        let NewSession { id, sender_id, room } = new.0;
        check_room(Some(&room))?;
        let chosen = chosen(id, key(request)?)?;
        rights::post(&caller.principal, &room, ("sender_id", sender_id))?;
        let (counted, owner) = (caller.who().to_string(), caller.principal.subject.unwrap_or_default());
        let id = chosen.unwrap_or_else(Uuid::new_v4);
        let opening = Opening { id, owner, caller: counted, sender: sender_id, room };
        let token = producer::token();
        let age = self.limits.age;
        match self.sessions.open(&opening, &token, chosen.is_some()).await? {
            Opened::New { born } => {
                let location = body::place(opening.id);
                Ok(Open::New(Wire(OpenedSession::new(opening, State::Created, token, 0, born, age)), location))
            }
            Opened::There { token, count, born, state } => {
                Ok(Open::There(Wire(OpenedSession::new(opening, state, token, count, born, age))))
            }
            Opened::Taken => Err(ApiError::NotTaken { reason: Refusal::Taken, head: None }.into()),
            Opened::Full => Err(ApiError::Unavailable(anyhow::anyhow!("the most sessions are open")).into()),
            Opened::Many => Err(too_many().into()),
        }
    }

    /// Append chunks to a session
    ///
    /// They may come in any order and as often as it takes: those that are there already are passed over. Of a request
    /// that is refused nothing is appended. When an answer is lost, send the same again; `head` says up to where the
    /// text is there without a hole. No chunks at all are a sign of life, which a producer that is silent for long has
    /// to give. The last chunk is said with `is_final` or `final_chunk_id`; when none before it is missing the session
    /// is sealed, and its text becomes one message. A 403 says that another producer has taken over.
    #[oai(path = "/session/:id/chunk", method = "post", operation_id = "appendChunks")]
    async fn append(
        &self,
        producer: Producer,
        /// The id of the session.
        id: Path<Uuid>,
        chunks: Wire<NewChunks, true>,
    ) -> Result<Appended, Failed<{ BODY | CALLER | CONFLICT | NOT_FOUND | UNAVAILABLE }>> {
        let batch = chunks.0.batch(&self.limits)?;
        let appended = self.sessions.append(id.0, &producer.token, &batch).await?;
        let receipt = appended.map_err(|(why, count)| refusal::not_appended(id.0, why, count))?;
        Ok(Appended::Taken(Wire(receipt.into())))
    }

    /// Get a session
    ///
    /// How it is now. Of one that became a message long ago only that is known, and the rest is null.
    #[oai(path = "/session/:id", method = "get", operation_id = "getSession")]
    async fn get(
        &self,
        caller: Caller,
        /// The id of the session.
        id: Path<Uuid>,
    ) -> Result<Got, Failed<{ CALLER | INVALID | NOT_FOUND | UNAVAILABLE }>> {
        let found = self.readable(&caller.principal, id.0).await?;
        Ok(Got::Session(Wire(SessionView::new(id.0, found))))
    }

    /// Cancel a session
    ///
    /// Who stops reading cancels nothing; this does. Only who has opened it may, or who moderates in its room. What is
    /// over stays as it is.
    #[oai(path = "/session/:id", method = "delete", operation_id = "cancelSession")]
    async fn cancel(
        &self,
        caller: Caller,
        /// The id of the session.
        id: Path<Uuid>,
        /// Whether the text up to `head` becomes a message, if there is any.
        #[oai(default = "yes")]
        keep: Query<bool>,
    ) -> Result<Cancelled, Failed<{ CALLER | INVALID | NOT_FOUND | UNAVAILABLE }>> {
        let state = match self.readable(&caller.principal, id.0).await? {
            Found::Written(_) => State::Completed,
            Found::Known(session) => {
                rights::cancel(&caller.principal, &session.owner, &session.room)?;
                let by = caller.principal.subject.unwrap_or_default();
                let state = self.sessions.cancel(id.0, &by, keep.0).await?;
                state.ok_or(ApiError::NoSession(id.0))?
            }
        };
        Ok(Cancelled::State(Wire(CancelledSession { state })))
    }

    /// Replace a session's producer
    ///
    /// Gives a token to one that takes over: the producer before may not append any more. Only who has opened the
    /// session may, and only where they may write in its sender's name: not in the model's.
    #[oai(path = "/session/:id/producer", method = "post", operation_id = "rotateProducer")]
    async fn rotate(
        &self,
        caller: Caller,
        /// The id of the session.
        id: Path<Uuid>,
    ) -> Result<Rotated, Failed<{ CALLER | CONFLICT | INVALID | NOT_FOUND | UNAVAILABLE }>> {
        let closed = |head| ApiError::NotTaken { reason: Refusal::Closed, head };
        let session = match self.readable(&caller.principal, id.0).await? {
            Found::Written(_) => return Err(closed(None).into()),
            Found::Known(session) => session,
        };
        rights::produce(&caller.principal, &session.owner, session.sender)?;
        let producer_token = producer::token();
        match self.sessions.rotate(id.0, &producer_token).await? {
            Ok((count, state)) => {
                Ok(Rotated::Producer(Wire(ProducerToken { producer_token, head: head(count), state })))
            }
            Err(NotRotated::Closed) => Err(closed(Some(head(session.count))).into()),
            Err(NotRotated::Unknown) => Err(ApiError::NoSession(id.0).into()),
        }
    }

    /// Follow a session
    ///
    /// Server-sent events, from its beginning or from where you left off, to its end. Append the chunks as they come,
    /// and put the message in the place of all of them when it does: who follows late or comes back may be given the
    /// message alone. After the event that ends the session the stream ends; an `EventSource` that comes back then is
    /// told to stop by a 204.
    #[oai(path = "/session/:id/stream", method = "get", operation_id = "followSession")]
    async fn follow(
        &self,
        request: &Request,
        caller: Caller<true>,
        /// The id of the session.
        id: Path<Uuid>,
        /// The `id:` of the last event that was seen: the number of a chunk, or `end`. A header `Last-Event-ID`, as
        /// browsers send it when they reconnect, wins.
        #[oai(example = "some_chunk")]
        last_event_id: Query<Option<String>>,
    ) -> Result<Following, Failed<{ CALLER | INVALID | NOT_FOUND }>> {
        let cursor = stream::position(request, last_event_id.0)?;
        let place = self.enter(&caller)?;
        Ok(self.events(&caller, place, id.0, cursor).await?)
    }
}

impl SessionApi {
    /// Takes a place among the caller's streams, if there is a bound.
    pub(super) fn enter<const STREAM: bool>(&self, caller: &Caller<STREAM>) -> Result<Option<Box<Place>>, ApiError> {
        stream::enter(&self.streams, caller)
    }

    /// The events of a session, for someone who may read it.
    pub(super) async fn events<const STREAM: bool>(
        &self,
        caller: &Caller<STREAM>,
        place: Option<Box<Place>>,
        id: Uuid,
        cursor: Option<Cursor>,
    ) -> Result<Following, ApiError> {
        let come_back = |error: &dyn Error| Following::Events(stream::come_back(error));
        let found = match self.sessions.find(id).await {
            Ok(found) => visible(&caller.principal, id, found)?,
            Err(error) => return Ok(come_back(&error)),
        };
        let followed = self.sessions.follow(found, cursor, caller.principal.until).await;
        Ok(followed.map_or_else(|error| come_back(&error), |followed| Following::of(followed, place)))
    }

    async fn readable(&self, caller: &Principal, id: Uuid) -> Result<Found, ApiError> {
        visible(caller, id, self.sessions.find(id).await?)
    }
}

/// The caller has its most sessions open.
pub(super) fn too_many() -> ApiError {
    ApiError::TooMany { what: "too many sessions are open", seconds: MANY_RETRY }
}

/// A session that the caller may read: any other is not there.
fn visible(caller: &Principal, id: Uuid, found: Option<Found>) -> Result<Found, ApiError> {
    let may_read = |found: &Found| {
        let owned = found.owner().is_some_and(|owner| rights::own(caller, owner).is_ok());
        owned || caller.is_sender(found.sender()) || caller.may_read(found.room())
    };
    found.filter(may_read).ok_or(ApiError::NoSession(id))
}

/// The id that the caller has chosen, in the body or as a key.
fn chosen(id: Option<Uuid>, key: Option<Uuid>) -> Result<Option<Uuid>, ApiError> {
    match (id, key) {
        (Some(id), Some(key)) if id != key => Err(ApiError::field(KEY, "must be the id, where both are given")),
        (id, key) => Ok(id.or(key)),
    }
}

/// The key of a request. One that cannot be read is refused: else a repeat would open another session.
fn key(request: &Request) -> Result<Option<Uuid>, ApiError> {
    let mut keys = request.headers().get_all(KEY).iter();
    match (keys.next(), keys.next()) {
        (None, _) => Ok(None),
        (Some(key), None) => match Uuid::try_parse_ascii(key.as_bytes()) {
            Ok(key) => Ok(Some(key)),
            Err(_) => Err(ApiError::field(KEY, "must be a UUID")),
        },
        _ => Err(ApiError::field(KEY, "must be given once")),
    }
}

fn yes() -> bool {
    true
}

fn some_chunk() -> Option<String> {
    Some("3".to_owned())
}
