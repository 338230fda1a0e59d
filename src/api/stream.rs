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
    param::{Header, Query},
    payload::Payload,
    registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchemaRef, Registry},
    types::Type,
};

use super::{
    Tag,
    caller::Caller,
    events::StreamEvent,
    failed::{CALLER, Failed, INVALID},
    message::check_room,
    problem::ApiError,
    rights,
};
use crate::{
    auth::Principal,
    edge::Offer,
    hub::{Hub, ring::Filter},
    limit::{Full, Place, Streams},
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
            Changes carry an `id:`. Comment lines come while nothing happens. Streams may end at any time: connect \
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
}

#[OpenApi(tag = "Tag::Stream")]
impl StreamApi {
    /// Follow the changes of messages, live, from now or from where you left off.
    #[oai(path = "/stream", method = "get", operation_id = "streamMessages")]
    async fn stream(
        &self,
        request: &Request,
        caller: Caller<true>,
        /// Only changes in this room; may be given several times. Without it, in all that the token allows, if it names
        /// them.
        #[oai(default)]
        room: Query<Vec<String>>,
        /// The last event that was seen, like `1-42`, or a `Feed-Position`; what came after it is sent first.
        last_event_id: Query<Option<String>>,
        /// The same, as browsers send it when they reconnect; it wins.
        #[oai(name = "Last-Event-ID")]
        last_event_id_header: Header<Option<String>>,
    ) -> Result<EventStream, Failed<{ CALLER | INVALID }>> {
        let _ = last_event_id_header.0;
        let from = position(request, last_event_id.0)?;
        let filter = self.filter(&caller.principal, room.0)?;
        let place = enter(&self.streams, &caller)?;
        Ok(match (self.hub.subscribe(from, filter, caller.principal.until).await, place) {
            (Ok(subscription), None) => EventStream::Feed(Offer::new(subscription)),
            // The stream holds its place until it is dropped, however it ends.
            (Ok(subscription), Some(place)) => EventStream::Feed(Offer::new(subscription.inspect(move |_| _ = &place))),
            (Err(refused), _) => come_back(&refused),
        })
    }

    fn filter(&self, caller: &Principal, mut rooms: Vec<String>) -> Result<Filter, ApiError> {
        if rooms.is_empty() {
            return self.all(caller);
        }
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
        Ok(Filter::Rooms(rooms))
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
