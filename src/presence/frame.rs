//! What watchers are told, and the same as the bytes of an event.
//!
//! It has no `id:`, since it has no place in the feed: who comes back is told anew who is there.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

/// What the watchers of a room are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The room.
    pub room: Arc<str>,
    /// What it is.
    pub what: What,
    /// The whole event, with the empty line that ends it.
    pub frame: Bytes,
}

/// Who is there, or who came or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// So many are there, and these; what was told before does not count any more.
    State {
        /// How many users.
        count: u64,
        /// Who, by name; none where they are too many.
        users: Option<Vec<Arc<str>>>,
    },
    /// The first connection of a user came.
    Joined {
        /// The user.
        user: Arc<str>,
        /// How many users there are now.
        count: u64,
    },
    /// The last connection of a user went.
    Left {
        /// The user.
        user: Arc<str>,
        /// How many users there are now.
        count: u64,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", content = "data")]
enum Event<'a> {
    #[serde(rename = "presence")]
    State { room: &'a str, count: u64, users: Option<Vec<&'a str>> },
    #[serde(rename = "user_joined")]
    Joined { room: &'a str, user_id: &'a str, count: u64 },
    #[serde(rename = "user_left")]
    Left { room: &'a str, user_id: &'a str, count: u64 },
}

impl Told {
    pub(super) fn new(room: &Arc<str>, what: What) -> Self {
        let frame = frame(&what.event(room));
        Self { room: Arc::clone(room), what, frame }
    }
}

impl What {
    fn event<'a>(&'a self, room: &'a str) -> Event<'a> {
        match self {
            Self::State { count, users } => {
                let users = users.as_ref().map(|users| users.iter().map(AsRef::as_ref).collect());
                Event::State { room, count: *count, users }
            }
            Self::Joined { user, count } => Event::Joined { room, user_id: user, count: *count },
            Self::Left { user, count } => Event::Left { room, user_id: user, count: *count },
        }
    }

    /// The name, as metrics have it.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::State { .. } => "state",
            Self::Joined { .. } => "joined",
            Self::Left { .. } => "left",
        }
    }
}

fn frame(event: &Event<'_>) -> Bytes {
    // Texts and numbers: JSON holds them all, on one line.
    let json = serde_json::to_string(event).unwrap_or_default();
    format!("data: {json}\n\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_of_json_whatever_users_are_called() {
        let (room, user): (Arc<str>, Arc<str>) = ("lobby".into(), "a\r\n|\"ü🦀".into());
        let text = |what| String::from_utf8(Told::new(&room, what).frame.to_vec()).unwrap();
        let name = r#""a\r\n|\"ü🦀""#;
        assert_eq!(
            text(What::Joined { user: Arc::clone(&user), count: 2 }),
            format!(
                "data: {{\"type\":\"user_joined\",\"data\":{{\"room\":\"lobby\",\"user_id\":{name},\"count\":2}}}}\n\n"
            )
        );
        assert_eq!(
            text(What::Left { user: Arc::clone(&user), count: 1 }),
            format!(
                "data: {{\"type\":\"user_left\",\"data\":{{\"room\":\"lobby\",\"user_id\":{name},\"count\":1}}}}\n\n"
            )
        );
        assert_eq!(
            text(What::State { count: 1, users: Some(vec![user]) }),
            format!(
                "data: {{\"type\":\"presence\",\"data\":{{\"room\":\"lobby\",\"count\":1,\"users\":[{name}]}}}}\n\n"
            )
        );
        assert_eq!(
            text(What::State { count: 2000, users: None }),
            "data: {\"type\":\"presence\",\"data\":{\"room\":\"lobby\",\"count\":2000,\"users\":null}}\n\n"
        );
    }
}
