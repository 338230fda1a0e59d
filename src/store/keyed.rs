//! Adding a message under a number that was reserved before: again and again, and it is there once.
//!
//! The number is the message's own id, so the primary key is what makes it so: whoever comes second, even at the same
//! time, finds the first one's row. Such a message is not written together with others: what is done with one of a
//! group when another fails would be done here for the sake of a few.

use super::{Share, Store, StoreError, insert::SKIP_IDS};
use crate::{
    message::{Message, NewMessage},
    metrics::METRICS,
};

/// A number that is taken is not given: someone has written rows with ids of their own choice.
const RESERVE: &str = "select n.id, exists (select from messages m where m.id = n.id) as taken
      from (select nextval(pg_get_serial_sequence('messages', 'id')) as id) n";

const WRITE: &str = "insert into messages (id, room, content, file, sender_id) values ($1, $2, $3, $4, $5)
     on conflict (id) do nothing
     returning id, room, content, file, created_date, updated_date, sender_id, session_id";

/// A row that has come under that id since, from someone else, is not ours to show.
const READ: &str = "select id, room, content, file, created_date, updated_date, sender_id, session_id
      from messages where id = $1 and room = $2 and sender_id = $3";

impl Store {
    /// A place among the posts that wait to be written, and room for this one: there is no more for those with a key
    /// than for those without. It is given back when this is dropped.
    ///
    /// # Errors
    /// [`StoreError::Crowded`].
    pub fn admit(&self, new: &NewMessage) -> Result<Share, StoreError> {
        self.posts.share(new)
    }

    /// A number that no message has had.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reserve(&self) -> Result<i64, StoreError> {
        let reserve = async {
            let (id, taken): (i64, bool) = sqlx::query_as(RESERVE).fetch_one(&self.http).await?;
            if !taken {
                return Ok(id);
            }
            sqlx::query(SKIP_IDS).execute(&self.http).await?;
            sqlx::query_as(RESERVE).fetch_one(&self.http).await.map(|(id, _): (i64, bool)| id)
        };
        self.in_time(reserve).await
    }

    /// Adds a message under a reserved number, if it is not there. The message as it is there now, and whether it was
    /// there before.
    ///
    /// # Errors
    /// [`StoreError`]; after `Unavailable` it may or may not have been added, and can be added again.
    pub async fn add_as(&self, id: i64, new: &NewMessage) -> Result<(Message, bool), StoreError> {
        let write = sqlx::query_as(WRITE).bind(id).bind(&new.room).bind(&new.content).bind(&new.file);
        let write = write.bind(new.sender_id).fetch_optional(&self.http);
        if let Some(message) = self.in_time(write).await? {
            METRICS.posts.written.inc();
            return Ok((message, false));
        }
        // Where there is none, a trigger that somebody has added has dropped it, or someone has deleted it just now.
        let read = sqlx::query_as(READ).bind(id).bind(&new.room).bind(new.sender_id).fetch_one(&self.http);
        Ok((self.in_time(read).await?, true))
    }
}
