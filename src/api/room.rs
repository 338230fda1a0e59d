//! `/room`: the rooms there are.

use poem_openapi::{ApiResponse, Object, OpenApi, param::Query};
use serde::Serialize;

use super::{
    Tag,
    caller::Caller,
    failed::{CALLER, Failed, INVALID, UNAVAILABLE},
    rights,
    wire::Wire,
};
use crate::{
    hub::Hub,
    message::Message,
    store::{self, RoomQuery, Store},
};

/// Rooms in a page, where the client does not say.
const PAGE: u64 = 20;

/// A room: a conversation that holds messages.
#[derive(Debug, Serialize, Object)]
struct Room {
    /// Its name.
    room: String,
    /// How many messages it holds.
    messages: i64,
    /// The newest of them.
    last_message: Message,
}

/// A page of rooms, by name.
#[derive(Debug, Serialize, Object)]
struct RoomPage {
    /// The rooms.
    rooms: Vec<Room>,
    /// What to give as `cursor` for the next page; null at the end.
    #[oai(nullable)]
    next_cursor: Option<String>,
    /// Whether there are more.
    has_more: bool,
}

#[derive(ApiResponse)]
enum Listed {
    /// The page.
    #[oai(status = 200)]
    Page(
        Wire<RoomPage>,
        /// How far the feed had come before the page was read: give it to `/stream` as `last_event_id`, and nothing
        /// lies between the page and the stream.
        #[oai(header = "Feed-Position")]
        String,
    ),
}

/// The calls on rooms.
pub(super) struct RoomApi {
    /// Where the rows are.
    pub store: Store,
    /// Where the feed is.
    pub hub: Hub,
    /// The most bytes of content in a page, if it is not one message that has more.
    pub page_bytes: usize,
}

#[OpenApi(tag = "Tag::Room")]
impl RoomApi {
    /// List rooms
    ///
    /// Those that hold messages, each with their number and the last of them, a page at a time. They come in the order
    /// of their names (of the bytes: `B` before `a`), so that what is written meanwhile moves none of them to another
    /// page. Of all rooms there are only those that the token allows to read.
    #[oai(path = "/room", method = "get", operation_id = "listRooms")]
    async fn list(
        &self,
        caller: Caller,
        /// Where the last page ended (its `next_cursor`): only rooms whose names come after this one.
        #[oai(validator(pattern = "^[A-Za-z0-9_.:@-]{1,64}$"))]
        cursor: Query<Option<String>>,
        /// How many rooms to return; a page of long messages ends before, and `has_more` says so.
        #[oai(default = "page_size", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u64>,
        /// Only rooms whose names begin so.
        #[oai(validator(pattern = "^[A-Za-z0-9_.:@-]{1,64}$"))]
        prefix: Query<Option<String>>,
    ) -> Result<Listed, Failed<{ CALLER | INVALID | UNAVAILABLE }>> {
        let patterns = rights::patterns(&caller.principal)?;
        // Before the page is read: whatever the page lacks comes after this position.
        let position = self.hub.head().to_string();
        let (limit, bytes) = (limit.0 as usize, self.page_bytes);
        let page = self.store.rooms(&RoomQuery { patterns, after: cursor.0, prefix: prefix.0, limit, bytes }).await?;
        Ok(Listed::Page(Wire(page.into()), position))
    }
}

impl From<store::Room> for Room {
    fn from(store::Room { messages, last }: store::Room) -> Self {
        Self { room: last.room.clone(), messages, last_message: last }
    }
}

impl From<store::RoomPage> for RoomPage {
    fn from(store::RoomPage { rooms, has_more }: store::RoomPage) -> Self {
        let last = rooms.last().filter(|_| has_more);
        let next_cursor = last.map(|last| last.last.room.clone());
        Self { rooms: rooms.into_iter().map(Room::from).collect(), next_cursor, has_more }
    }
}

fn page_size() -> u64 {
    PAGE
}
