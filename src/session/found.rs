//! Where a session is to be found: in Redis, and when Redis remembers it no more, in the message that it became.
//!
//! Of one that failed or was cancelled nothing is known then, as of one that never was.

use uuid::Uuid;

use super::{SessionError, Sessions};
use crate::{message::Message, reply::Session, store::StoreError};

/// A session, wherever it is to be found.
#[derive(Debug, Clone)]
pub enum Found {
    /// Redis knows it.
    Known(Box<Session>),
    /// Redis knows nothing of it any more, and it became this message.
    Written(Box<Message>),
}

impl Found {
    /// Its room.
    pub fn room(&self) -> &str {
        match self {
            Self::Known(session) => &session.room,
            Self::Written(message) => &message.room,
        }
    }

    /// In whose name it is written.
    pub fn sender(&self) -> Uuid {
        match self {
            Self::Known(session) => session.sender,
            Self::Written(message) => message.sender_id,
        }
    }

    /// Who opened it, if that is still known; empty where nobody is asked who they are.
    pub fn owner(&self) -> Option<&str> {
        match self {
            Self::Known(session) => Some(&session.owner),
            Self::Written(_) => None,
        }
    }
}

impl Sessions {
    /// What is known of a session, by whoever knows it.
    ///
    /// # Errors
    /// [`SessionError`]. While Redis is away, a session that became a message is still found.
    pub async fn find(&self, id: Uuid) -> Result<Option<Found>, SessionError> {
        let known = self.0.logs.look(id).await;
        if let Ok(Some(session)) = known {
            return Ok(Some(Found::Known(session.into())));
        }
        match (self.0.store.reply(id).await, known) {
            (Ok(Some(message)), _) => Ok(Some(Found::Written(message.into()))),
            (_, Err(away)) => Err(away.into()),
            (Ok(None), Ok(_)) => Ok(None),
            (Err(error), Ok(_)) => Err(error.into()),
        }
    }

    /// The message that a session became, as long as it is where its readers may see it.
    pub(super) async fn message(&self, session: &Session) -> Result<Option<Message>, StoreError> {
        let message = self.0.store.reply(session.id).await?;
        Ok(message.filter(|message| message.room == session.room && message.sender_id == session.sender))
    }
}
