//! `/room/{room}/presence`: who is in a room, by name, a page at a time.
//!
//! Whoever may read a room may know who is in it. A page goes by key, and the key is the name itself: any text is a
//! place among names, so no cursor is wrong, and who comes or goes meanwhile shifts nothing.

mod attendance;

use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Path, Query},
};
use serde::Serialize;

pub(super) use attendance::Attendance;

use super::{
    Tag,
    caller::Caller,
    failed::{CALLER, Failed, INVALID, UNAVAILABLE},
    message::check_room,
    problem::ApiError,
    rights,
    wire::Wire,
};
use crate::presence::{Listed, Presence, Present};

/// Users in a page, where the client does not say.
const PAGE: u64 = 100;

/// Who is in a room, as far as a page tells.
#[derive(Debug, Serialize, Object)]
pub(super) struct PresencePage {
    /// The room.
    pub room: String,
    /// How many users are in it, on all pages together.
    pub count: u64,
    /// Some of them, in the order of their ids.
    pub users: Vec<PresentUser>,
    /// What to give as `cursor` for the next page; null at the end.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
    /// Whether there are more.
    pub has_more: bool,
}

/// One who is in a room.
#[derive(Debug, Serialize, Object)]
pub(super) struct PresentUser {
    /// Who it is.
    pub user_id: String,
    /// With how many connections, on all nodes together.
    pub connections: u64,
}

#[derive(ApiResponse)]
enum Page {
    /// The page.
    #[oai(status = 200)]
    Users(Wire<PresencePage>),
}

/// The call on who is in a room.
pub(super) struct PresenceApi {
    /// Who is where.
    pub presence: Presence,
}

#[OpenApi(tag = "Tag::Room")]
impl PresenceApi {
    /// List who is in a room
    ///
    /// A page at a time. A room that nobody is in, and that nobody has ever written to, is as good as any: nobody is in
    /// it. To be told of who comes and goes, follow `/stream` with `presence=true`.
    #[oai(path = "/room/:room/presence", method = "get", operation_id = "listPresence")]
    async fn list(
        &self,
        caller: Caller,
        /// The room.
        #[oai(validator(pattern = "^[A-Za-z0-9_.:@-]{1,64}$"))]
        room: Path<String>,
        /// Where the last page ended (its `next_cursor`): only users after that.
        #[oai(example = "some_user")]
        cursor: Query<Option<String>>,
        /// How many users to return.
        #[oai(default = "page_size", validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<u64>,
    ) -> Result<Page, Failed<{ CALLER | INVALID | UNAVAILABLE }>> {
        check_room(Some(&room.0))?;
        rights::read(&caller.principal, &room.0)?;
        let listed = self.presence.list(&room.0, cursor.0.as_deref(), limit.0 as usize).await;
        let listed = listed.map_err(|away| ApiError::Unavailable(away.into()))?;
        Ok(Page::Users(Wire(PresencePage::of(room.0, listed))))
    }
}

impl PresencePage {
    fn of(room: String, Listed { count, users, has_more }: Listed) -> Self {
        let next_cursor = users.last().filter(|_| has_more).map(|last| last.user_id.clone());
        let users = users.into_iter().map(|Present { user_id, connections }| PresentUser { user_id, connections });
        Self { room, count, users: users.collect(), next_cursor, has_more }
    }
}

fn page_size() -> u64 {
    PAGE
}

fn some_user() -> Option<String> {
    Some("0c544734-1888-5ee1-94a9-a8334a166413".to_owned())
}
