//! What sockets may ask for, and what they are answered: as over HTTP, in the words of their clients.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::{
    life::{Life, Member},
    packet::Event,
};
use crate::{
    api::{
        budget,
        message::{KEY, check_room},
        posting::Post,
        problem::ApiError,
        rights, wire,
    },
    idempotency::Key,
    limit::Group,
    message::NewMessage,
};

/// What other words the same fields have here.
const WORDS: [(&str, &str); 3] = [("room", "roomId"), ("sender_id", "userId"), (KEY, "idempotencyKey")];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Room {
    room_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Said {
    room_id: String,
    #[serde(default)]
    user_id: Option<Uuid>,
    content: String,
    #[serde(default)]
    file: Option<String>,
    #[serde(default)]
    idempotency_key: Option<String>,
}

/// What a request is answered.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub(super) enum Answer {
    /// It is in the room.
    Joined {
        ok: bool,
        room_id: Arc<str>,
        /// How many users are there.
        count: u64,
        /// Who they are; null where they are too many to be listed.
        users: Option<Vec<Arc<str>>>,
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

impl Life {
    /// Does what is asked for.
    pub(super) async fn answer(&mut self, event: &Event) -> Result<Answer, ApiError> {
        let Some(mut member) = self.member.take() else { return Err(ApiError::NoEvent) };
        let answer = match known(&event.name) {
            "joinRoom" => self.join(&mut member, event).await,
            "leaveRoom" => self.part(&mut member, event),
            "sendMessage" => self.send(&member, event).await,
            _ => Err(ApiError::NoEvent),
        };
        self.member = Some(member);
        answer.map_err(in_words)
    }

    async fn join(&self, member: &mut Member, event: &Event) -> Result<Answer, ApiError> {
        let who = || self.who(member);
        budget::count(&self.shared.gate.limiter, Group::Read, who).await.1?;
        let Room { room_id } = body(event)?;
        check_room(Some(&room_id))?;
        rights::read(&member.principal, &room_id)?;
        let room: Arc<str> = room_id.into();
        let most = self.shared.options.rooms;
        if !member.rooms.contains(&room) && member.rooms.len() >= most {
            return Err(ApiError::field("room", format!("a socket may be in at most {most} rooms")));
        }
        member.rooms.insert(Arc::clone(&room));
        self.shared.rooms.join(&self.session, &room);
        Ok(Answer::Joined { ok: true, room_id: room, count: 0, users: None })
    }

    fn part(&self, member: &mut Member, event: &Event) -> Result<Answer, ApiError> {
        let Room { room_id } = body(event)?;
        check_room(Some(&room_id))?;
        member.rooms.remove(room_id.as_str());
        self.shared.rooms.part(&self.session, &room_id);
        Ok(Answer::Left { ok: true, room_id })
    }

    async fn send(&self, member: &Member, event: &Event) -> Result<Answer, ApiError> {
        budget::count(&self.shared.gate.limiter, Group::Write, || self.who(member)).await.1?;
        let Said { room_id: room, user_id, content, file, idempotency_key } = body(event)?;
        let sender_id = user_id.or(member.user);
        let sender_id = sender_id.ok_or_else(|| match member.principal.is_anyone() {
            true => ApiError::field("sender_id", "is missing"),
            false => ApiError::Forbidden("the token's `sub` is not a UUID: it may read, but not write".to_owned()),
        })?;
        let key = idempotency_key.map(|key| Key::try_from(key.as_bytes()));
        let key = key.transpose().map_err(|error| ApiError::field(KEY, error))?;
        let new = NewMessage { content, file, sender_id, room };
        let (message, _) =
            self.shared.posting.post(&member.principal, Post { new, sender_field: "userId", key }).await?;
        let (id, timestamp) = (message.id, message.created_date);
        Ok(Answer::Sent { ok: true, id, timestamp, room_id: message.room, user_id: message.sender_id })
    }
}

/// The body of a request, which has no bytes beside its text.
fn body<T: DeserializeOwned>(event: &Event) -> Result<T, ApiError> {
    match &event.body {
        _ if event.binary => Err(ApiError::field("body", "must have no binary parts")),
        Some(body) => wire::parse(body.get().as_bytes()),
        None => Err(ApiError::field("body", "must be an object")),
    }
}

/// The same error, in the words of these clients.
fn in_words(error: ApiError) -> ApiError {
    WORDS.iter().fold(error, |error, (field, word)| error.renamed(field, word))
}
