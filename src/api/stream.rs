//! `/stream`: the feed as server-sent events.
//!
//! An `EventSource` gives up for good on any status but 200. So what is wrong with the request is a 4xx, and trouble
//! that will pass is a 200 that ends: the client comes back by itself, with its position.

use std::{error::Error, fmt::Display, str::FromStr};

use bytes::Bytes;
use futures_util::StreamExt;
use poem::{IntoResponse, Request, Response, http::header};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::Query,
    payload::Payload,
    registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchemaRef, Registry},
    types::Type,
};
use uuid::Uuid;

use super::{
    Tag,
    caller::Caller,
    events::StreamEvent,
    failed::{CALLER, Failed, INVALID},
    message::check_room,
    presence::Attendance,
    problem::ApiError,
    rights,
};
use crate::{
    auth::Principal,
    edge::Offer,
    hub::{Hub, Subscription, ring::Filter},
    limit::{Full, Place, Streams},
    presence::Presence,
};

/// When a caller that has its most streams may try again, in seconds: one that it has lost is noticed by the system,
/// which takes its time.
const FULL_RETRY: u32 = 5;

/// A stream of events.
pub(super) enum EventStream {
    /// The feed.
    Feed(Offer),
    /// No more than this.
    Only(Bytes),
}

impl Payload for EventStream {
    const CONTENT_TYPE: &'static str = "text/event-stream";

    fn schema_ref() -> MetaSchemaRef {
        StreamEvent::schema_ref()
    }

    fn register(registry: &mut Registry) {
        StreamEvent::register(registry);
    }
}

impl IntoResponse for EventStream {
    fn into_response(self) -> Response {
        let answer = Response::builder()
            .content_type(Self::CONTENT_TYPE)
            .header(header::CACHE_CONTROL, "no-store")
            // Proxies like nginx would hold events back otherwise.
            .header("X-Accel-Buffering", "no");
        match self {
            Self::Feed(offer) => answer.extension(offer.clone()).body(offer.body()),
            Self::Only(bytes) => answer.body(bytes),
        }
    }
}

/// An answer as the document tells it, without headers of its own.
pub(super) fn answer(status: u16, description: &'static str, content: Vec<MetaMediaType>) -> MetaResponse {
    MetaResponse { description, status: Some(status), status_range: None, content, headers: Vec::new() }
}

impl ApiResponse for EventStream {
    fn meta() -> MetaResponses {
        let content = vec![MetaMediaType { content_type: Self::CONTENT_TYPE, schema: Self::schema_ref() }];
        let description = "Server-sent events without an `event:` field; the schema is that of one event's `data:`. \
            Changes carry an `id:`; what tells of presence has none. Comment lines come while nothing happens. Streams may end at any time: connect \
            again with the last `id:`.";
        MetaResponses { responses: vec![answer(200, description, content)] }
    }

    fn register(registry: &mut Registry) {
        <Self as Payload>::register(registry);
    }
}

/// The call that streams.
pub(super) struct StreamApi {
    /// Where the feed is.
    pub hub: Hub,
    /// The most rooms in one stream's filter.
    pub rooms: usize,
    /// How many streams each caller may have open.
    pub streams: Streams,
    /// Who is where.
    pub presence: Presence,
}

#[OpenApi(tag = "Tag::Stream")]
impl StreamApi {
    /// Stream changes of messages
    ///
    /// Server-sent events, live, from now or from where you left off. Of each change there is one event, in order, on
    /// whatever node; what cannot be told is a `reset`: then read the messages anew. With `presence=true` there is also
    /// who is in the rooms.
    ///
    /// The header `Last-Event-ID` is not among the parameters, since generated code would have two of one name.
    #[oai(path = "/stream", method = "get", operation_id = "streamMessages")]
    async fn stream(
        &self,
        request: &Request,
        caller: Caller<true>,
        /// Only changes in this room; may be given several times. Without it, in all that the token allows, if it names
        /// them.
        #[oai(default)]
        room: Query<Vec<String>>,
        /// The last event that was seen, like `1-42`, or a `Feed-Position`; what came after it is sent first. A header
        /// `Last-Event-ID`, as browsers send it when they reconnect, wins.
        last_event_id: Query<Option<String>>,
        /// Whether to tell who is in these rooms, and who comes and goes; `room` must name them.
        #[oai(default)]
        presence: Query<bool>,
        /// Who is there, with `presence`: only on a server that asks for no token, elsewhere it is the token's `sub`.
        /// Who says nothing is told, but is not there.
        user_id: Query<Option<Uuid>>,
    ) -> Result<EventStream, Failed<{ CALLER | INVALID }>> {
        let from = position(request, last_event_id.0)?;
        let (user, until) = (&caller.principal, caller.principal.until);
        let rooms = self.named(user, room.0)?;
        let attendance = presence.0.then(|| Attendance::of(&self.presence, user, &rooms, user_id.0)).transpose()?;
        let filter = if rooms.is_empty() { self.all(user)? } else { Filter::Rooms(rooms) };
        let place = enter(&self.streams, &caller)?;
        Ok(match self.hub.subscribe(from, filter, until).await {
            Ok(subscription) => EventStream::Feed(offer(subscription, place, attendance)),
            Err(refused) => come_back(&refused),
        })
    }

    /// The rooms that the request names, each once, all of which the caller may read.
    fn named(&self, caller: &Principal, mut rooms: Vec<String>) -> Result<Vec<String>, ApiError> {
        rooms.sort_unstable();
        rooms.dedup();
        // Before they are looked at: each is tried against every pattern of the token.
        let given = rooms.len();
        if given > self.rooms {
            return Err(ApiError::field("room", format!("may be given at most {} times, is {given}", self.rooms)));
        }
        for room in &rooms {
            check_room(Some(room))?;
            rights::read(caller, room)?;
        }
        Ok(rooms)
    }

    /// All that the caller may read.
    fn all(&self, caller: &Principal) -> Result<Filter, ApiError> {
        match rights::rooms(caller)? {
            None => Ok(Filter::All),
            Some(rooms) if rooms.len() > self.rooms => Err(ApiError::Forbidden(
                "the token allows more rooms than one stream may have: name some with `room`".to_owned(),
            )),
            Some(rooms) => Ok(Filter::Rooms(rooms)),
        }
    }
}

/// What a stream is: it holds its place until it is dropped, however it ends. One without a place, or without presence,
/// has no room for what it lacks.
fn offer(feed: Subscription, place: Option<Box<Place>>, attendance: Option<Attendance>) -> Offer {
    match (attendance, place) {
        (None, None) => Offer::new(feed),
        (None, Some(place)) => Offer::new(feed.inspect(move |_| _ = &place)),
        (Some(attendance), place) => Offer::new(attendance.beside(feed).inspect(move |_| _ = &place)),
    }
}

/// Takes a place among the caller's streams, if there is a bound.
pub(super) fn enter<const STREAM: bool>(
    streams: &Streams,
    caller: &Caller<STREAM>,
) -> Result<Option<Box<Place>>, ApiError> {
    streams.enter(|| caller.who()).map_err(full)
}

/// The caller has its most streams.
pub(super) fn full(_: Full) -> ApiError {
    ApiError::TooMany { what: "too many streams are open", seconds: FULL_RETRY }
}

/// Where the client left off. An unreadable position is refused: to begin elsewhere would lose or repeat something.
pub(super) fn position<T>(request: &Request, query: Option<String>) -> Result<Option<T>, ApiError>
where
    T: FromStr<Err: Display>,
{
    const HEADER: &str = "Last-Event-ID";
    let (field, text) = match request.headers().get(HEADER) {
        Some(value) if !value.is_empty() => (HEADER, Some(String::from_utf8_lossy(value.as_bytes()).into_owned())),
        _ => ("last_event_id", query.filter(|text| !text.is_empty())),
    };
    let Some(text) = text else { return Ok(None) };
    text.parse().map(Some).map_err(|error| ApiError::field(field, error))
}

/// A stream that ends at once, and says when to come back: not for all at the same time.
pub(super) fn come_back(error: &dyn Error) -> EventStream {
    tracing::warn!(%error, "a stream was sent away");
    EventStream::Only(crate::frame::retry(fastrand::u64(1000..3000)))
}
