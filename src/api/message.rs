//! `/message`: the rows, over HTTP. Writing only writes the row; the feed tells of it.

use poem::Request;
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Header, Path, Query},
};
use serde::Serialize;
use uuid::Uuid;
use validator::ValidateArgs;

use super::{
    Tag,
    caller::Caller,
    failed::{BODY, CALLER, Failed, INVALID, NOT_FOUND, UNAVAILABLE},
    posting::{Post, Posting},
    problem::ApiError,
    rights,
    wire::{Wire, check},
};
use crate::{
    cursor::Cursor,
    hub::Hub,
    idempotency::Key,
    message::{Limits, Message, MessagePatch, NewMessage, is_room},
    store::{self, Seen, Store, StoreError, Within},
};

/// Messages in a page, where the client does not say.
const PAGE: u64 = 20;

/// How often a message is looked at that moves while it is to be changed.
const LOOKS: usize = 5;

/// A page of messages, newest first.
#[derive(Debug, Serialize, Object)]
pub(super) struct MessagePage {
    /// The messages.
    pub messages: Vec<Message>,
    /// What to give as `cursor` for the next page; null at the end.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
    /// Whether there are older ones.
    pub has_more: bool,
}

#[derive(ApiResponse)]
enum Listed {
    /// The page.
    #[oai(status = 200)]
    Page(
        Wire<MessagePage>,
        /// How far the feed had come before the page was read: give it to `/stream` as `last_event_id`, and nothing
        /// lies between the page and the stream.
        #[oai(header = "Feed-Position")]
        String,
    ),
}

#[derive(ApiResponse)]
enum Posted {
    /// The message is written.
    #[oai(status = 201)]
    Created(
        Wire<Message>,
        /// Where it is.
        #[oai(header = "Location")]
        String,
        /// `true` where it was written before, under the same `Idempotency-Key`: this is the first answer again.
        #[oai(header = "Idempotency-Replayed")]
        Option<bool>,
    ),
}

#[derive(ApiResponse)]
enum One {
    /// The message.
    #[oai(status = 200)]
    Message(Wire<Message>),
}

#[derive(ApiResponse)]
enum Deleted {
    /// It is gone.
    #[oai(status = 204)]
    Gone,
}

/// The calls on messages.
pub(super) struct MessageApi {
    /// Where the rows are.
    pub store: Store,
    /// How they are written.
    pub posting: Posting,
    /// Where the feed is.
    pub hub: Hub,
    /// How large a message may be.
    pub limits: Limits,
    /// The most bytes of content in a page, if it is not one message that has more.
    pub page_bytes: usize,
}

#[OpenApi(tag = "Tag::Message")]
impl MessageApi {
    /// List messages
    ///
    /// Newest first, a page at a time: `next_cursor` of a page leads to the next. To go on live, give the page's
    /// `Feed-Position` to `/stream`.
    #[oai(path = "/message", method = "get", operation_id = "listMessages")]
    async fn list(
        &self,
        caller: Caller,
        /// Where the last page ended (its `next_cursor`), or an RFC 3339 timestamp: only messages older than that.
        cursor: Query<Option<String>>,
        /// How many messages to return; a page of long ones ends before, and `has_more` says so.
        #[oai(default = "page_size", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u64>,
        /// Only messages of this room; without it, of all that the token allows, if it names them.
        #[oai(validator(pattern = "^[A-Za-z0-9_.:@-]{1,64}$"))]
        room: Query<Option<String>>,
        /// Only messages of this sender.
        sender_id: Query<Option<Uuid>>,
    ) -> Result<Listed, Failed<{ CALLER | INVALID | UNAVAILABLE }>> {
        let after = cursor.0.as_deref().map(str::parse::<Cursor>).transpose();
        let after = after.map_err(|error| ApiError::field("cursor", error))?;
        check_room(room.as_deref())?;
        let within = within(&caller, room.0)?;
        // Before the page is read: whatever the page lacks comes after this position.
        let position = self.hub.head().to_string();
        let query =
            store::Query { after, within, sender_id: sender_id.0, limit: limit.0 as usize, bytes: self.page_bytes };
        let page = self.store.page(&query).await?;
        Ok(Listed::Page(Wire(page.into()), position))
    }

    /// Post a message
    ///
    /// It is in the answer as it was written, and every stream of its room tells of it. With an `Idempotency-Key` the call
    /// can be repeated.
    #[oai(path = "/message", method = "post", operation_id = "postMessage")]
    async fn post(
        &self,
        request: &Request,
        caller: Caller,
        /// So that the message can be posted again when its answer is lost, and is written once: a text of your own
        /// choice for each message, 1 to 255 visible ASCII characters, like a UUID. For a day, unless the server is set
        /// otherwise, a repeat gets the first answer. Another message of the same sender under the same key is refused.
        #[oai(name = "Idempotency-Key", validator(pattern = "^[!-~]{1,255}$"))]
        idempotency_key: Header<Option<String>>,
        new: Wire<NewMessage>,
    ) -> Result<Posted, Failed<{ BODY | CALLER | UNAVAILABLE }>> {
        let _ = idempotency_key.0;
        let post = Post { new: new.0, sender_field: "sender_id", key: key(request)? };
        let (message, was_there) = self.posting.post(&caller.principal, post).await?;
        let location = format!("/message/{}", message.id);
        Ok(Posted::Created(Wire(message), location, was_there.then_some(true)))
    }

    /// Get a message
    ///
    /// One that the caller may not read is not there.
    #[oai(path = "/message/:id", method = "get", operation_id = "getMessage")]
    async fn get(
        &self,
        caller: Caller,
        /// The number of the message.
        id: Path<i64>,
    ) -> Result<One, Failed<{ CALLER | INVALID | NOT_FOUND | UNAVAILABLE }>> {
        Ok(One::Message(Wire(self.readable(&caller, id.0).await?)))
    }

    /// Change a message
    ///
    /// Its text, its file or both; what is left out stays as it is.
    #[oai(path = "/message/:id", method = "patch", operation_id = "patchMessage")]
    async fn patch(
        &self,
        caller: Caller,
        /// The number of the message.
        id: Path<i64>,
        patch: Wire<MessagePatch>,
    ) -> Result<One, Failed<{ BODY | CALLER | NOT_FOUND | UNAVAILABLE }>> {
        check(patch.0.validate_with_args(&self.limits))?;
        let (store, patch) = (&self.store, &patch.0);
        let write = |seen: Option<Seen>| async move { store.patch(id.0, patch, seen.as_ref()).await };
        let message = self.change(&caller, id.0, write).await?;
        Ok(One::Message(Wire(message)))
    }

    /// Delete a message
    ///
    /// For good: every stream of its room tells of it.
    #[oai(path = "/message/:id", method = "delete", operation_id = "deleteMessage")]
    async fn delete(
        &self,
        caller: Caller,
        /// The number of the message.
        id: Path<i64>,
    ) -> Result<Deleted, Failed<{ CALLER | INVALID | NOT_FOUND | UNAVAILABLE }>> {
        let store = &self.store;
        let delete = |seen: Option<Seen>| async move {
            let gone = store.delete(id.0, seen.as_ref()).await?;
            Ok(gone.then_some(Deleted::Gone))
        };
        Ok(self.change(&caller, id.0, delete).await?)
    }
}

impl MessageApi {
    /// A message that the caller may read: any other is not there.
    async fn readable(&self, caller: &Caller, id: i64) -> Result<Message, ApiError> {
        let message = self.store.get(id).await?;
        message.filter(|message| caller.principal.may_read(&message.room)).ok_or(ApiError::NoMessage(id))
    }

    /// Changes a message that the caller may change. The right was judged by the message as it was then; so only that
    /// one is changed, and if it is another by now, it is judged anew.
    async fn change<T, F>(&self, caller: &Caller, id: i64, change: impl Fn(Option<Seen>) -> F) -> Result<T, ApiError>
    where
        F: Future<Output = Result<Option<T>, StoreError>>,
    {
        if caller.principal.is_anyone() {
            return change(None).await?.ok_or(ApiError::NoMessage(id));
        }
        for _ in 0..LOOKS {
            let Message { room, sender_id, .. } = self.readable(caller, id).await?;
            rights::change(&caller.principal, &room, sender_id)?;
            if let Some(changed) = change(Some(Seen { room, sender_id })).await? {
                return Ok(changed);
            }
        }
        Err(ApiError::Unavailable(anyhow::anyhow!("message {id} moves from room to room")))
    }
}

/// The rooms whose messages are listed.
fn within(caller: &Caller, room: Option<String>) -> Result<Within, ApiError> {
    match room {
        Some(room) => {
            rights::read(&caller.principal, &room)?;
            Ok(Within::Room(room))
        }
        None => Ok(rights::rooms(&caller.principal)?.map_or(Within::Everything, Within::Rooms)),
    }
}

impl From<store::Page> for MessagePage {
    fn from(store::Page { messages, has_more }: store::Page) -> Self {
        let last = messages.last().filter(|_| has_more);
        let next_cursor = last.map(|last| Cursor { created_date: last.created_date, id: Some(last.id) }.to_string());
        Self { messages, next_cursor, has_more }
    }
}

/// The name of the header under whose value a message is written once.
pub(super) const KEY: &str = "Idempotency-Key";

/// The key that a message is posted with. One that cannot be read is refused: else a repeat would be written again.
fn key(request: &Request) -> Result<Option<Key>, ApiError> {
    let mut keys = request.headers().get_all(KEY).iter();
    match (keys.next(), keys.next()) {
        (None, _) => Ok(None),
        (Some(key), None) => Key::try_from(key.as_bytes()).map(Some).map_err(|error| ApiError::field(KEY, error)),
        _ => Err(ApiError::field(KEY, "must be given once")),
    }
}

/// Refuses a room that no message can be in.
pub(super) fn check_room(room: Option<&str>) -> Result<(), ApiError> {
    match room {
        Some(room) if !is_room(room) => Err(ApiError::field("room", "must be 1 to 64 of A-Z a-z 0-9 _ . : @ -")),
        _ => Ok(()),
    }
}

fn page_size() -> u64 {
    PAGE
}
