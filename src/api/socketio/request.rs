//! What sockets may ask for, and what they are answered: as over HTTP, in the words of their clients.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::packet::Event;
use crate::api::{message::KEY, problem::ApiError, wire};

/// What other words the same fields have here.
const WORDS: [(&str, &str); 3] = [("room", "roomId"), ("sender_id", "userId"), (KEY, "idempotencyKey")];

/// To join a room, or to leave it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct InRoom {
    pub(super) room_id: String,
}

/// To write a message.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Said {
    pub(super) room_id: String,
    #[serde(default)]
    pub(super) user_id: Option<Uuid>,
    pub(super) content: String,
    #[serde(default)]
    pub(super) file: Option<String>,
    #[serde(default)]
    pub(super) idempotency_key: Option<String>,
}

/// What a request is answered.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub(super) enum Answer {
    /// It is in the room.
    Joined {
        ok: bool,
        room_id: Arc<str>,
        /// How many users are there, itself among them; null where that is not known.
        count: Option<u64>,
        /// Who they are; null where that is not known, or they are too many to be listed.
        users: Option<BTreeSet<Arc<str>>>,
    },
    /// It is not.
    Left { ok: bool, room_id: String },
    /// The message is written.
    Sent {
        ok: bool,
        id: i64,
        #[serde(with = "crate::timestamp")]
        timestamp: DateTime<Utc>,
        room_id: String,
        user_id: Uuid,
    },
}

/// The name of a request, of those that there are.
pub(super) fn known(name: &str) -> &'static str {
    ["joinRoom", "leaveRoom", "sendMessage"].into_iter().find(|known| *known == name).unwrap_or("unknown")
}

impl Event {
    /// The body of a request, which has no bytes beside its text.
    pub(super) fn body<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        match &self.body {
            _ if self.binary => Err(ApiError::field("body", "must have no binary parts")),
            Some(body) => wire::parse(body.get().as_bytes()),
            None => Err(ApiError::field("body", "must be an object")),
        }
    }
}

/// The same error, in the words of these clients.
pub(super) fn in_words(error: ApiError) -> ApiError {
    WORDS.iter().fold(error, |error, (field, word)| error.renamed(field, word))
}
