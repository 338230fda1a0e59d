//! The events of `/stream` as the OpenAPI document tells them.
//!
//! These types are read by people and by generators of clients. The bytes are made in `frame` and `change`; a test
//! reads every kind of event back into these types, so that the document and the stream cannot part.

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, Union};
use uuid::Uuid;

use crate::{change::Operation, frame::ResetReason};

/// The `data:` of an event.
#[derive(Debug, Union)]
#[oai(discriminator_name = "type", one_of = true)]
pub enum StreamEvent {
    /// The stream is attached.
    #[oai(mapping = "connected")]
    Connected(ConnectedEvent),
    /// A message was written.
    #[oai(mapping = "new_message")]
    NewMessage(NewMessageEvent),
    /// A message was changed.
    #[oai(mapping = "updated_message")]
    UpdatedMessage(UpdatedMessageEvent),
    /// A message was deleted.
    #[oai(mapping = "deleted_message")]
    DeletedMessage(DeletedMessageEvent),
    /// All messages were deleted at once.
    #[oai(mapping = "truncated")]
    Truncated(TruncatedEvent),
    /// What came in between cannot be told.
    #[oai(mapping = "reset")]
    Reset(ResetEvent),
    /// Who is in a room: first, and whenever single changes cannot be told.
    #[oai(mapping = "presence")]
    Presence(PresenceEvent),
    /// A user has come into a room, with the first of its connections.
    #[oai(mapping = "user_joined")]
    UserJoined(UserJoinedEvent),
    /// A user has gone from a room, with the last of its connections.
    #[oai(mapping = "user_left")]
    UserLeft(UserLeftEvent),
    /// The stream ends: the server goes away, or the token has expired.
    #[oai(mapping = "bye")]
    Bye(ByeEvent),
}

/// From here on nothing is missed.
#[derive(Debug, Object)]
pub struct ConnectedEvent {
    /// For people.
    pub message: String,
    /// Where the stream begins: the first change is the one after it. Also the `id:` of the event, but where a `reset`
    /// follows.
    pub event_id: String,
    /// Whether it goes on where the client left off.
    pub resumed: bool,
}

/// A message was written.
#[derive(Debug, Object)]
pub struct NewMessageEvent {
    /// The message as it was written.
    pub data: MessageChange,
}

/// A message was changed.
#[derive(Debug, Object)]
pub struct UpdatedMessageEvent {
    /// The message as it was then.
    pub data: MessageChange,
}

/// A message was deleted.
#[derive(Debug, Object)]
pub struct DeletedMessageEvent {
    /// The message as it was before.
    pub data: MessageChange,
}

/// All messages were deleted at once.
#[derive(Debug, Object)]
pub struct TruncatedEvent {
    /// What is known of it.
    pub data: Truncation,
}

/// A change of one message.
#[derive(Debug, Object)]
pub struct MessageChange {
    /// What happened.
    pub operation: Operation,
    /// The number of the message.
    pub id: i64,
    /// The conversation that the message is in.
    pub room: String,
    /// The text; null where `content_omitted` is true.
    #[oai(nullable)]
    pub content: Option<String>,
    /// True where the text is too large for the stream, or was replaced since: read `GET /message/{id}`.
    pub content_omitted: Option<bool>,
    /// The name of an attached file.
    #[oai(nullable)]
    pub file: Option<String>,
    /// When the message was written.
    pub created_date: DateTime<Utc>,
    /// When it was last changed.
    #[oai(nullable)]
    pub updated_date: Option<DateTime<Utc>>,
    /// Who wrote it.
    pub sender_id: Uuid,
    /// The session whose reply this is; null for what was not written by one.
    #[oai(nullable)]
    pub session_id: Option<Uuid>,
    /// The place of the change in the feed, like `1-42`; also the `id:` of the event.
    pub event_id: String,
    /// The place of the change before it on the same Redis channel; null for the first.
    #[oai(nullable)]
    pub prev: Option<String>,
    /// The transaction that made the change: equal for the changes of one transaction.
    pub transaction: String,
    /// When the change was captured.
    pub at: DateTime<Utc>,
}

/// All messages were deleted at once.
#[derive(Debug, Object)]
pub struct Truncation {
    /// What happened.
    pub operation: TruncationOperation,
    /// The place of the change in the feed, like `1-42`; also the `id:` of the event.
    pub event_id: String,
    /// The place of the change before it on the same Redis channel; null for the first.
    #[oai(nullable)]
    pub prev: Option<String>,
    /// The transaction that made the change.
    pub transaction: String,
    /// When the change was captured.
    pub at: DateTime<Utc>,
}

/// The operation of a truncation.
#[derive(Debug, Enum)]
#[oai(rename_all = "UPPERCASE")]
pub enum TruncationOperation {
    /// All rows are gone.
    Truncate,
}

/// Read the messages anew; the stream goes on from `head`.
#[derive(Debug, Object)]
pub struct ResetEvent {
    /// Why.
    pub reason: ResetReason,
    /// Where the stream goes on.
    pub head: String,
    /// Where to read anew.
    pub reread: String,
}

/// Who is in a room, for a stream with `presence`.
#[derive(Debug, Object)]
pub struct PresenceEvent {
    /// Who is there: in the place of all that was told of the room before.
    pub data: RoomPresence,
}

/// A user has come into a room.
#[derive(Debug, Object)]
pub struct UserJoinedEvent {
    /// Who, and where.
    pub data: PresenceChange,
}

/// A user has gone from a room.
#[derive(Debug, Object)]
pub struct UserLeftEvent {
    /// Who, and where.
    pub data: PresenceChange,
}

/// Who is in a room.
#[derive(Debug, Object)]
pub struct RoomPresence {
    /// The room.
    pub room: String,
    /// How many users are there.
    pub count: u64,
    /// Their ids; null where they are too many to be told: read `GET /room/{room}/presence`.
    #[oai(nullable)]
    pub users: Option<Vec<String>>,
}

/// One who has come or gone.
#[derive(Debug, Object)]
pub struct PresenceChange {
    /// The room.
    pub room: String,
    /// Who: as its messages have it in `sender_id`, where it may write any.
    pub user_id: String,
    /// How many users are there now.
    pub count: u64,
}

/// Come back, with a new token if the old one has expired: the stream goes on from the last id.
#[derive(Debug, Object)]
pub struct ByeEvent {
    /// For people.
    pub message: String,
}
