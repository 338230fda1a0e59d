//! A member: one who is connected, and what is done for it.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::Arc,
};

use uuid::Uuid;

use super::{
    Shared,
    packet::Event,
    request::{self, Answer, InRoom, Said, in_words},
    rooms::Full,
    session::Session,
};
use crate::{
    api::{
        budget,
        message::{KEY, check_room},
        posting::Post,
        problem::ApiError,
        rights,
    },
    auth::Principal,
    idempotency::Key,
    limit::{Group, Place, Who},
    message::NewMessage,
    presence::Here,
};

/// One who is connected.
pub(super) struct Member {
    pub(super) principal: Principal,
    /// Where it calls from.
    address: IpAddr,
    /// In whose name it writes where it does not say.
    sender: Option<Uuid>,
    /// As whom others see it.
    user: Arc<str>,
    /// Where it is seen.
    rooms: HashMap<Arc<str>, Here>,
    _place: Option<Box<Place>>,
}

impl Member {
    /// With a token it writes as the token's user; else as who it says it is, where it does.
    pub(super) fn new(
        principal: Principal,
        said: Option<Uuid>,
        user: Arc<str>,
        address: IpAddr,
        place: Option<Box<Place>>,
    ) -> Self {
        let sender = if principal.is_anyone() { said } else { principal.sender };
        Self { principal, address, sender, user, rooms: HashMap::new(), _place: place }
    }

    /// Does what is asked for.
    pub(super) async fn answer(
        &mut self,
        shared: &Shared,
        session: &Arc<Session>,
        event: &Event,
    ) -> Result<Answer, ApiError> {
        let asked = request::known(&event.name);
        // To leave costs Redis as much as to join, and what is unknown is answered too.
        self.count(shared, if asked == "sendMessage" { Group::Write } else { Group::Read }).await?;
        let answer = match asked {
            "joinRoom" => self.join(shared, session, event).await,
            "leaveRoom" => self.part(shared, session, event),
            "sendMessage" => self.send(shared, event).await,
            _ => Err(ApiError::NoEvent),
        };
        answer.map_err(in_words)
    }

    async fn join(&mut self, shared: &Shared, session: &Arc<Session>, event: &Event) -> Result<Answer, ApiError> {
        let InRoom { room_id } = event.body()?;
        check_room(Some(&room_id))?;
        rights::read(&self.principal, &room_id)?;
        let (room_id, most) = (Arc::<str>::from(room_id), shared.options.rooms);
        let room = shared.rooms.join(session, &self.user, &room_id, most);
        let room = room.map_err(|Full| ApiError::field("room", format!("a socket may be in at most {most} rooms")))?;
        if let Entry::Vacant(place) = self.rooms.entry(Arc::clone(&room_id)) {
            place.insert(shared.presence.enter(&room_id, &self.user));
        }
        let there = room.join(session).await;
        let (count, users) = there.map_or((None, None), |there| (Some(there.count), there.users));
        Ok(Answer::Joined { ok: true, room_id, count, users })
    }

    fn part(&mut self, shared: &Shared, session: &Session, event: &Event) -> Result<Answer, ApiError> {
        let InRoom { room_id } = event.body()?;
        check_room(Some(&room_id))?;
        shared.rooms.part(session, &room_id);
        if let Some(here) = self.rooms.remove(room_id.as_str()) {
            here.leave();
        }
        Ok(Answer::Left { ok: true, room_id })
    }

    async fn send(&self, shared: &Shared, event: &Event) -> Result<Answer, ApiError> {
        let Said { room_id: room, user_id, content, file, idempotency_key } = event.body()?;
        let sender_id = match user_id.or(self.sender) {
            Some(sender) => sender,
            None if self.principal.is_anyone() => return Err(ApiError::field("sender_id", "is missing")),
            // It can be nobody, and is told why.
            None => Uuid::nil(),
        };
        // With a token that is said below.
        if self.principal.is_anyone() && self.sender.is_some_and(|sender| sender != sender_id) {
            return Err(ApiError::Forbidden("userId must be the one that the socket has connected as".to_owned()));
        }
        let key = idempotency_key.map(|key| Key::try_from(key.as_bytes()));
        let key = key.transpose().map_err(|error| ApiError::field(KEY, error))?;
        let new = NewMessage { content, file, sender_id, room };
        let post = Post { new, sender_field: "userId", key };
        let (message, _) = shared.posting.post(&self.principal, post).await?;
        let (id, timestamp) = (message.id, message.created_date);
        Ok(Answer::Sent { ok: true, id, timestamp, room_id: message.room, user_id: message.sender_id })
    }

    async fn count(&self, shared: &Shared, group: Group) -> Result<(), ApiError> {
        let who = || Who::of(self.principal.subject.as_deref(), self.address);
        budget::count(&shared.gate.limiter, group, who).await.1
    }
}
