//! The reply of a session: one row, however often and by however many nodes at once it is written.
//!
//! The row names its session, and a unique index lets one such row in: whoever comes second waits until the first has
//! committed, and finds that row. A lock, or a look before the writing, would leave a gap for a node that stalls; the
//! index leaves none.
//!
//! Who comes second may also find that the row has just been deleted. Then the reply is [`Added::Gone`], and that ends a
//! session as well as a row does: to try until there is one would bring back what somebody wanted away. One case is left
//! where it comes back: a node dies between writing a reply and saying so, someone deletes it, and only then another
//! node goes on. To prevent that the table would have to remember every reply that was ever deleted.

use uuid::Uuid;

use super::{
    Store, StoreError,
    insert::{SKIP_IDS, is_id_taken},
};
use crate::message::{Message, NewMessage};

/// What came of adding a session's reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// It is written now.
    New(Message),
    /// It was there before, as it is here.
    There(Message),
    /// It was there, but somebody has deleted it, or given it to another room or sender; or a trigger that somebody has
    /// added does not let it in. It must not be tried again.
    Gone,
}

const WRITE: &str = "insert into messages (room, content, file, sender_id, session_id) values ($1, $2, $3, $4, $5)
     on conflict (session_id) where session_id is not null do nothing
     returning id, room, content, file, created_date, updated_date, sender_id, session_id";

const READ: &str = "select id, room, content, file, created_date, updated_date, sender_id, session_id
      from messages where session_id = $1";

impl Store {
    /// Adds the reply of a session, if it is not there.
    ///
    /// # Errors
    /// [`StoreError`]; after `Unavailable` it may or may not have been added, and can be added again.
    pub async fn add_reply(&self, session: Uuid, new: &NewMessage) -> Result<Added, StoreError> {
        if let Some(message) = self.in_time(self.insert_reply(session, new)).await? {
            return Ok(Added::New(message));
        }
        // What is in another room now, or someone else's, is not for those who have followed the session.
        let same = |message: &Message| message.room == new.room && message.sender_id == new.sender_id;
        let found = self.reply(session).await?.filter(same);
        Ok(found.map_or(Added::Gone, Added::There))
    }

    /// The reply of a session, wherever it is now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reply(&self, session: Uuid) -> Result<Option<Message>, StoreError> {
        self.in_time(sqlx::query_as(READ).bind(session).fetch_optional(&self.http)).await
    }

    async fn insert_reply(&self, session: Uuid, new: &NewMessage) -> sqlx::Result<Option<Message>> {
        let write = || {
            let row = sqlx::query_as(WRITE).bind(&new.room).bind(&new.content).bind(&new.file).bind(new.sender_id);
            row.bind(session).fetch_optional(&self.http)
        };
        match write().await {
            // Someone has written rows with ids of their own choice, which our sequence comes to only now.
            Err(error) if is_id_taken(&error) => {
                sqlx::query(SKIP_IDS).execute(&self.http).await?;
                write().await
            }
            written => written,
        }
    }
}
