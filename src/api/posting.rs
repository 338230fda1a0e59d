//! Writing a message: one road for all that is posted, whoever brings it and in whatever form.

use validator::ValidateArgs;

use super::{problem::ApiError, rights, wire::check};
use crate::{
    auth::Principal,
    idempotency::{Key, Once},
    message::{Limits, Message, NewMessage},
    store::Store,
};

/// Writes messages; a cheap handle.
#[derive(Clone)]
pub(super) struct Posting {
    /// Where the rows are.
    pub store: Store,
    /// Where they are written once, however often they are posted.
    pub once: Once,
    /// How large a message may be.
    pub limits: Limits,
}

/// What is to be written.
pub(super) struct Post {
    /// The message.
    pub new: NewMessage,
    /// What its client calls the sender.
    pub sender_field: &'static str,
    /// Under which it is written once.
    pub key: Option<Key>,
}

impl Posting {
    /// Writes a message if it is one, and the caller may; whether it was there already, under its key.
    ///
    /// # Errors
    /// When it is none, when the caller may not, or when it cannot be written now.
    pub(super) async fn post(&self, caller: &Principal, post: Post) -> Result<(Message, bool), ApiError> {
        let Post { new, sender_field, key } = post;
        check(new.validate_with_args(&self.limits))?;
        rights::post(caller, &new.room, (sender_field, new.sender_id))?;
        match key {
            None => Ok((self.store.add(&new).await?, false)),
            Some(key) => Ok(self.once.post(caller.subject.as_deref(), &key, &new).await?),
        }
    }
}
