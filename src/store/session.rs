//! The message that a session became.

use uuid::Uuid;

use super::{Store, StoreError};
use crate::message::{Message, NewMessage};

impl Store {
    /// Adds the message of a session, if it is not there. None where it was, and is gone again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_reply(&self, _session: Uuid, _new: &NewMessage) -> Result<Option<Message>, StoreError> {
        Err(StoreError::Crowded)
    }

    /// The message of a session, if there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reply(&self, _session: Uuid) -> Result<Option<Message>, StoreError> {
        Ok(None)
    }
}
