//! A message that is posted under a key is written once, however often it is posted: by a client that has not seen the
//! answer, by two at the same time, by way of a node that dies in between.
//!
//! Others lock the key, write, and store the answer; when a node dies on the way, the key is locked for a time, and
//! what becomes of the repeat is a guess. Here the message's number is reserved first and remembered with the key; then
//! the message is written under that number, if it is not there; then what the server has added to it is remembered
//! too. A repeat that finds no answer goes the same way with the same number, so it needs neither to wait nor to guess:
//! that the row is there once is the primary key's affair.
//!
//! The price is three questions to Redis and two to PostgreSQL for a post, one by one. What Redis forgets is not known
//! any more: after it was emptied, or has thrown the key out because its memory is full, a repeat is a new message. And
//! one case is left where a deleted message comes back: a node dies between writing it and remembering that, someone
//! deletes it, and only then it is posted again.

use std::{fmt::Write, time::Duration};

use sha2::{Digest, Sha256};

use crate::{
    failpoint,
    message::{Message, NewMessage},
    redis::{Away, Line, Record},
    store::{Store, StoreError},
};

/// The longest key: enough for any kind of id.
const LONGEST: usize = 255;

/// What a client gives so that it can post a message again: unique among its own, of visible ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

/// It is no key.
#[derive(Debug, thiserror::Error)]
#[error("must be 1 to {LONGEST} visible ASCII characters, without spaces")]
pub struct BadKey;

impl TryFrom<&[u8]> for Key {
    type Error = BadKey;

    fn try_from(bytes: &[u8]) -> Result<Self, BadKey> {
        let visible = (1..=LONGEST).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
        let text = String::from_utf8(bytes.to_vec()).ok().filter(|_| visible);
        text.map(Self).ok_or(BadKey)
    }
}

/// Why a message was not written under a key.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Another message was posted under it.
    #[error("was given with another message before")]
    Reused,
    /// Whether it was posted before cannot be told, or it could not be remembered. Nothing was written.
    #[error("keys cannot be remembered: {0}")]
    Forgetful(#[from] Away),
    /// PostgreSQL has not written it; it can be posted again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes messages once; a cheap handle.
#[derive(Clone)]
pub struct Once {
    store: Store,
    line: Line,
    keep: Duration,
}

impl Once {
    /// Keys are remembered for `keep`.
    pub fn new(store: Store, line: Line, keep: Duration) -> Self {
        Self { store, line, keep }
    }

    /// The message as it was written, now or before, and whether it was before. Keys of different subjects, or where
    /// there are none of different senders, are different keys.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn post(&self, subject: Option<&str>, key: &Key, new: &NewMessage) -> Result<(Message, bool), Refused> {
        let _share = self.store.admit(new)?;
        let (name, digest) = (name(subject, key, new), digest(new));
        let record = match self.line.recall(&name).await? {
            Some(record) => record,
            None => {
                let number = self.store.reserve().await?;
                let reserved = Record { digest: digest.clone(), number, outcome: None };
                self.line.remember(&name, reserved, self.keep).await?
            }
        };
        if record.digest != digest {
            return Err(Refused::Reused);
        }
        if let Some(message) = outcome(&record, new) {
            return Ok((message, true));
        }
        failpoint::pass("reserved");
        let (message, was_there) = self.store.add_as(record.number, new).await?;
        failpoint::pass("added");
        let record = Record { outcome: Some(brief(&message, new)), ..record };
        match self.line.remember(&name, record, self.keep).await {
            // Who came first has the say: the message may have been changed since.
            Ok(record) => Ok((outcome(&record, new).unwrap_or(message), was_there)),
            // It is written, and a repeat finds it by its number.
            Err(_) => Ok((message, was_there)),
        }
    }
}

/// The name of a record. A key has no line break, so no two parts can be taken for others.
fn name(subject: Option<&str>, key: &Key, new: &NewMessage) -> String {
    let Key(key) = key;
    let whose = match subject {
        Some(subject) => format!("{key}\nsubject\n{subject}"),
        None => format!("{key}\nsender\n{}", new.sender_id),
    };
    format!("once:{}", hex(whose))
}

/// Two messages with the same are the same message, whatever their JSON looked like.
fn digest(NewMessage { content, file, sender_id, room }: &NewMessage) -> String {
    hex(serde_json::json!([content, file, sender_id, room]).to_string())
}

fn hex(text: String) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
        // A String takes all that is written to it.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// What is remembered of a message. Its content is as it was posted, and a repeat brings it again: without it, a day's
/// messages need little room. None is empty, so that one that a trigger has changed can be told.
fn brief(message: &Message, new: &NewMessage) -> String {
    let same = message.content == new.content;
    let content = if same { String::new() } else { message.content.clone() };
    serde_json::json!(Message { content, ..message.clone() }).to_string()
}

fn outcome(record: &Record, new: &NewMessage) -> Option<Message> {
    let mut message: Message = serde_json::from_str(record.outcome.as_deref()?).ok()?;
    if message.content.is_empty() {
        message.content.clone_from(&new.content);
    }
    Some(message)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    prop_compose! {
        fn messages()(content in "\\PC{1,20}", file: Option<String>, sender: u128, room in "[a-z]{1,5}") -> NewMessage {
            NewMessage { content, file, sender_id: Uuid::from_u128(sender), room }
        }
    }

    fn key(text: &str) -> Key {
        Key::try_from(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_key_is_short_and_visible() {
        for good in ["a", "\"8e03978e-40d5-43e8-bc93-6894a57f9324\"", &"k".repeat(255)] {
            assert!(Key::try_from(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in ["", " ", "a b", "a\n", "é", &"k".repeat(256)] {
            assert!(Key::try_from(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_a_node_has_remembered_before_there_were_sessions_is_still_read() {
        let outcome_then = r#"{"id":1,"room":"lobby","content":"","file":null,"created_date":"2026-11-21T04:31:28.548927Z",
            "updated_date":null,"sender_id":"0c544734-1888-5ee1-94a9-a8334a166413"}"#;
        let record = Record { digest: String::new(), number: 1, outcome: Some(outcome_then.to_owned()) };
        let new: NewMessage =
            serde_json::from_str(r#"{"content":"Hello!","sender_id":"0c544734-1888-5ee1-94a9-a8334a166413"}"#).unwrap();
        let message = outcome(&record, &new).unwrap();
        assert_eq!((message.content.as_str(), message.session_id), ("Hello!", None));
    }

    proptest! {
        #[test]
        fn what_is_remembered_gives_the_first_answer_again(
            new in messages(),
            changed in prop::option::of("\\PC{1,20}"),
            id: i64,
            micros in 0..4_000_000_000_000_000_i64,
        ) {
            let NewMessage { content, file, sender_id, room } = new.clone();
            let created_date = DateTime::from_timestamp_micros(micros).unwrap();
            let content = changed.unwrap_or(content);
            let (updated_date, session_id) = (None, None);
            let message = Message { id, room, content, file, created_date, updated_date, sender_id, session_id };
            let record = Record { digest: String::new(), number: id, outcome: Some(brief(&message, &new)) };
            prop_assert_eq!(outcome(&record, &new), Some(message));
        }

        #[test]
        fn only_the_same_message_has_the_same_digest(one in messages(), other in messages()) {
            prop_assert_eq!(digest(&one), digest(&one.clone()));
            let (content, room, file) = (other.content.clone(), other.room.clone(), other.file.clone());
            for changed in [
                NewMessage { content, ..one.clone() },
                NewMessage { room, ..one.clone() },
                NewMessage { file, ..one.clone() },
                NewMessage { sender_id: other.sender_id, ..one.clone() },
                NewMessage { content: one.room.clone(), room: one.content.clone(), ..one.clone() },
            ] {
                prop_assert_eq!(digest(&changed) == digest(&one), changed == one);
            }
        }

        #[test]
        fn no_key_of_one_caller_is_a_key_of_another(
            new in messages(), other in messages(), subject: String, other_subject: String,
        ) {
            let (a, b) = (key("a"), key("b"));
            prop_assert_ne!(name(Some(&subject), &a, &new), name(None, &a, &new));
            prop_assert_ne!(name(Some(&subject), &a, &new), name(Some(&subject), &b, &new));
            prop_assert_eq!(name(Some(&subject), &a, &new), name(Some(&subject), &a, &other));
            let (one, two) = (name(Some(&subject), &a, &new), name(Some(&other_subject), &a, &new));
            prop_assert_eq!(one == two, subject == other_subject);
            prop_assert_eq!(name(None, &a, &new) == name(None, &a, &other), new.sender_id == other.sender_id);
        }
    }
}
