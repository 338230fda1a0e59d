//! The message: the row as HTTP and SQL agree on it, and what a writer may ask for.

use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::MaybeUndefined};
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;
use validator::{Validate, ValidationError};

/// The room of a message that names none.
pub const DEFAULT_ROOM: &str = "lobby";

/// The longest file name, in characters: the column is `varchar(50)`.
pub const MAX_FILE_CHARS: usize = 50;

/// The longest room name, in characters.
pub const MAX_ROOM_CHARS: usize = 64;

/// A message: one row of the table `messages`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Object, sqlx::FromRow)]
pub struct Message {
    /// The number of the message.
    pub id: i64,
    /// The conversation that the message is in.
    pub room: String,
    /// The text.
    pub content: String,
    /// The name of an attached file; null if there is none.
    #[oai(nullable)]
    pub file: Option<String>,
    /// When the message was written.
    #[serde(with = "crate::timestamp")]
    pub created_date: DateTime<Utc>,
    /// When the message was last changed; null until then.
    #[oai(nullable)]
    #[serde(with = "crate::timestamp::optional")]
    pub updated_date: Option<DateTime<Utc>>,
    /// Who wrote it.
    pub sender_id: Uuid,
    /// The session whose reply this is; null for what was not written by one.
    #[oai(nullable)]
    pub session_id: Option<Uuid>,
}

/// What a writer gives for a new message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Object, Validate)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[validate(context = Limits)]
pub struct NewMessage {
    /// The text: at least one byte, at most 1 MiB of UTF-8 unless the server is set otherwise, no NUL.
    #[oai(validator(min_length = 1, max_length = 1048576, pattern = "^[^\\u0000]*$"))]
    #[validate(custom(function = "check_content", use_context))]
    pub content: String,
    /// The name of an attached file.
    #[oai(nullable, validator(max_length = 50, pattern = "^[^\\u0000]*$"))]
    #[serde(default)]
    #[validate(custom(function = "check_file"))]
    pub file: Option<String>,
    /// Who writes.
    pub sender_id: Uuid,
    /// The conversation that the message goes to.
    #[oai(default = "default_room", validator(pattern = "^[A-Za-z0-9_.:@-]{1,64}$"))]
    #[serde(default = "default_room")]
    #[validate(custom(function = "check_room"))]
    pub room: String,
}

/// What a writer changes of a message; what is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Object, Validate)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
#[validate(context = Limits)]
pub struct MessagePatch {
    /// The new text.
    #[oai(validator(min_length = 1, max_length = 1048576, pattern = "^[^\\u0000]*$"))]
    #[serde(default, deserialize_with = "not_null")]
    #[validate(custom(function = "check_content", use_context))]
    pub content: Option<String>,
    /// The new file name; null takes the file away.
    #[oai(nullable, validator(max_length = 50, pattern = "^[^\\u0000]*$"))]
    #[serde(default)]
    #[validate(custom(function = "check_new_file"))]
    pub file: MaybeUndefined<String>,
}

/// How large a message may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest content, in bytes of UTF-8.
    pub content_bytes: usize,
}

/// Whether `name` may be a room's name: 1 to 64 of `A–Z a–z 0–9 _ . : @ -`.
pub fn is_room(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:@-".contains(c);
    !name.is_empty() && name.len() <= MAX_ROOM_CHARS && name.chars().all(allowed)
}

fn default_room() -> String {
    DEFAULT_ROOM.to_owned()
}

fn not_null<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    String::deserialize(input).map(Some)
}

fn check_content(content: &str, limits: &Limits) -> Result<(), ValidationError> {
    if content.is_empty() || content.len() > limits.content_bytes {
        let limit = limits.content_bytes;
        return refuse("length", format!("must be 1 to {limit} bytes of UTF-8, is {}", content.len()));
    }
    check_text(content)
}

fn check_file(file: &str) -> Result<(), ValidationError> {
    let length = file.chars().count();
    if length > MAX_FILE_CHARS {
        return refuse("length", format!("must be at most {MAX_FILE_CHARS} characters, is {length}"));
    }
    check_text(file)
}

fn check_new_file(file: &MaybeUndefined<String>) -> Result<(), ValidationError> {
    file.value().map_or(Ok(()), |file| check_file(file))
}

fn check_room(room: &str) -> Result<(), ValidationError> {
    if is_room(room) {
        return Ok(());
    }
    refuse("pattern", format!("must be 1 to {MAX_ROOM_CHARS} of A-Z a-z 0-9 _ . : @ -"))
}

/// PostgreSQL's text holds every character but NUL.
fn check_text(text: &str) -> Result<(), ValidationError> {
    if text.contains('\0') {
        return refuse("nul", "must not contain the character U+0000".to_owned());
    }
    Ok(())
}

fn refuse(code: &'static str, message: String) -> Result<(), ValidationError> {
    Err(ValidationError::new(code).with_message(message.into()))
}
