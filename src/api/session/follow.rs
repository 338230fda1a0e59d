//! The answer to whoever follows a session: its events, or that there is nothing more.

use futures_util::StreamExt;
use poem::{IntoResponse, Response, http::StatusCode};
use poem_openapi::{
    ApiResponse,
    payload::Payload,
    registry::{MetaMediaType, MetaResponses, Registry},
    types::Type,
};

use super::events::SessionEvent;
use crate::{
    api::stream::{EventStream, answer},
    edge::Offer,
    limit::Place,
    session::Followed,
};

/// What follows.
pub(in crate::api) enum Following {
    /// Events, to the end of the session; or none, and when to come back.
    Events(EventStream),
    /// The session is over, and the client has seen how.
    Seen,
}

impl Following {
    /// What a reader is given, who holds a place among its caller's streams until the stream is dropped.
    pub(super) fn of(followed: Followed, place: Option<Box<Place>>) -> Self {
        Self::Events(EventStream::Feed(match (followed, place) {
            (Followed::Seen, _) => return Self::Seen,
            (Followed::Events(events), None) => Offer::of_session(events),
            (Followed::Events(events), Some(place)) => Offer::of_session(events.inspect(move |_| _ = &place)),
        }))
    }
}

impl IntoResponse for Following {
    fn into_response(self) -> Response {
        match self {
            Self::Events(events) => events.into_response(),
            Self::Seen => StatusCode::NO_CONTENT.into(),
        }
    }
}

impl ApiResponse for Following {
    fn meta() -> MetaResponses {
        let content =
            vec![MetaMediaType { content_type: EventStream::CONTENT_TYPE, schema: SessionEvent::schema_ref() }];
        let description = "Server-sent events with an `event:` field; the schema is that of one event's `data:`. \
            `connected` comes first, and `chunk` for each chunk, whose number is its `id:`. One of `message_complete`, \
            `session_failed` and `session_cancelled` ends the session; its `id:` is `end`. A session that is over has \
            that one event. `ping` comes while nothing happens. Streams may end at any time before: connect again with \
            the last `id:`.";
        let seen = "The session is over, and `end` was the last event that was seen: there is nothing more.";
        MetaResponses { responses: vec![answer(200, description, content), answer(204, seen, vec![])] }
    }

    fn register(registry: &mut Registry) {
        SessionEvent::register(registry);
    }
}
