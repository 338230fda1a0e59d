//! The answers to the calls on a session, in the words of the document.

use poem_openapi::ApiResponse;

use super::{
    body::{CancelledSession, ChunksReceipt, OpenedSession, ProducerToken},
    view::SessionView,
};
use crate::api::wire::Wire;

#[derive(ApiResponse)]
pub(super) enum Open {
    /// The session is open. Only this answer and a repeat of it have the token of its producer.
    #[oai(status = 201)]
    New(
        Wire<OpenedSession>,
        /// Where it is.
        #[oai(header = "Location")]
        String,
    ),
    /// The same session is open already: this is how it is now.
    #[oai(status = 200)]
    There(Wire<OpenedSession>),
}

#[derive(ApiResponse)]
pub(super) enum Appended {
    /// All of it is taken. Where `head` is less than it was before, what comes after it was lost: send that again.
    #[oai(status = 200)]
    Taken(Wire<ChunksReceipt>),
}

#[derive(ApiResponse)]
pub(super) enum Got {
    /// The session.
    #[oai(status = 200)]
    Session(Wire<SessionView>),
}

#[derive(ApiResponse)]
pub(super) enum Cancelled {
    /// How it is now. `completed` where its text was whole before; `streaming` where what it has is about to become a
    /// message.
    #[oai(status = 200)]
    State(Wire<CancelledSession>),
}

#[derive(ApiResponse)]
pub(super) enum Rotated {
    /// The new token; the old one is worth nothing any more.
    #[oai(status = 200)]
    Producer(Wire<ProducerToken>),
}
