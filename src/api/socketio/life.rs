//! The life of a session: it waits to be let in, is connected for as long as its token lasts, and works off what it has
//! sent, one after the other.
//!
//! Who is not connected has a while to become so; who is sent out has it again. There is one task for each session, and
//! it holds little while nothing is to be done.

use std::sync::Arc;

use engineioxide::{Str, socket::Sid};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::{
    Shared,
    member::Member,
    packet::{self, Event, Packet},
    request,
    session::{Come, Session},
};
use crate::{
    api::{
        budget,
        problem::{ApiError, Problem},
        rights,
        stream::full,
        wire,
    },
    auth::{AuthError, Principal},
    limit::{Group, Who},
    metrics::METRICS,
};

/// The most characters of an event's name that are repeated: ours are short, and others can be as long as a packet.
const LONGEST_NAME: usize = 64;

/// The most bytes of what a client says of itself: a token is shorter, and who is not let in yet has no claim to more.
pub(super) const LONGEST_INTRODUCTION: usize = 64 << 10;

/// What a client says of itself.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Introduction {
    token: Option<String>,
    user_id: Option<Uuid>,
}

/// The life of one session.
pub(super) struct Life {
    shared: Arc<Shared>,
    session: Arc<Session>,
    come: Arc<Come>,
    member: Option<Box<Member>>,
    /// Until when it may be without being connected.
    patience: Instant,
    /// It has tried to connect.
    tried: bool,
}

/// A problem as an event: which request had it.
#[derive(Serialize)]
struct Failure<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    #[serde(flatten)]
    problem: Problem,
}

/// A problem as an answer.
#[derive(Serialize)]
struct Refusal {
    ok: bool,
    error: Problem,
}

impl Life {
    pub(super) fn new(shared: Arc<Shared>, session: Arc<Session>, come: Arc<Come>) -> Self {
        let patience = Instant::now() + shared.options.connect_timeout;
        Self { shared, session, come, member: None, patience, tried: false }
    }

    /// Works off what comes, until the transport ends.
    pub(super) async fn run(mut self) {
        let session = Arc::clone(&self.session);
        loop {
            let until = match &self.member {
                Some(member) => member.principal.until,
                None => Some(self.patience),
            };
            tokio::select! {
                biased;
                () = session.gone() => return,
                () = at(until) => self.time_is_up(),
                packet = session.inbox.next() => Box::pin(self.work_off(packet)).await,
            }
        }
    }

    fn time_is_up(&mut self) {
        if self.member.is_none() {
            return self.session.end("timeout");
        }
        METRICS.socketio.expired.inc();
        self.leave();
        let problem = ApiError::from(AuthError::Expired).tell();
        self.session.tell(packet::told("problem", &Failure { event: None, problem }));
        self.session.tell(packet::disconnected());
    }

    /// It is connected no longer.
    fn leave(&mut self) {
        if self.member.take().is_some() {
            self.shared.rooms.leave(&self.session);
            self.session.connected(false);
        }
        self.patience = Instant::now() + self.shared.options.connect_timeout;
    }

    async fn work_off(&mut self, packet: Packet) {
        match packet {
            Packet::Connect(auth) if self.member.is_none() => self.connect(auth).await,
            // The first packet must ask to be let in: this client speaks something else.
            Packet::Event(_) | Packet::Disconnect | Packet::Nothing if !self.tried => self.session.end("packet"),
            Packet::Event(event) => self.request(event).await,
            Packet::Elsewhere(namespace) => {
                self.session.tell(packet::refused(&namespace, "Invalid namespace", None::<&()>));
            }
            Packet::Disconnect => self.leave(),
            Packet::Bad => self.session.end("packet"),
            Packet::Connect(_) | Packet::Nothing => {}
        }
    }

    async fn connect(&mut self, auth: Option<Box<RawValue>>) {
        // A name of its own: the transport's number is its secret.
        let name = Sid::new().to_string();
        let answer = match self.admit(auth, &name).await {
            Ok(member) => {
                self.member = Some(Box::new(member));
                self.session.connected(true);
                self.shared.rooms.enter(&self.session);
                METRICS.socketio.opened.inc();
                packet::connected(&name)
            }
            Err(error) => {
                METRICS.socketio.refused("connect");
                let problem = error.tell();
                packet::refused("/", &problem.detail, Some(&problem))
            }
        };
        self.session.tell(answer);
    }

    /// Lets it in.
    async fn admit(&mut self, auth: Option<Box<RawValue>>, name: &str) -> Result<Member, ApiError> {
        let identified = match introduction(auth) {
            Ok(said) => self.identify(said.token.as_deref()).await.map(|principal| (principal, said.user_id)),
            Err(error) => Err(error),
        };
        let subject = identified.as_ref().ok().and_then(|(principal, _)| principal.subject.clone());
        let who = || Who::of(subject.as_deref(), self.come.address);
        // The first try was counted as the handshake that brought it.
        if std::mem::replace(&mut self.tried, true) {
            budget::count(&self.shared.gate.limiter, Group::Stream, who).await.1?;
        }
        let (principal, said) = identified?;
        let user = rights::present(&principal, ("userId", said))?.map_or_else(|| name.into(), Into::into);
        let place = self.shared.streams.enter(who).map_err(full)?;
        Ok(Member::new(principal, said, user, self.come.address, place))
    }

    async fn identify(&self, token: Option<&str>) -> Result<Principal, ApiError> {
        let auth = &self.shared.gate.auth;
        // Nobody is asked for a token: one that comes says nothing, since there is nothing to check it by.
        if auth.is_open() {
            return Ok(Principal::anyone());
        }
        Ok(auth.identify(self.come.given.token(token)?).await?)
    }

    async fn request(&mut self, event: Event) {
        // Who is not connected is told nothing: it may have sent this before it heard that it is not any more.
        let Some(member) = &mut self.member else { return };
        let answer = member.answer(&self.shared, &self.session, &event).await;
        METRICS.socketio.asked(request::known(&event.name), answer.is_ok());
        let packet = match (answer, event.ack) {
            (Ok(answer), Some(ack)) => packet::answer(ack, &answer),
            (Ok(_), None) => return,
            (Err(error), _) => failed(&event, &error),
        };
        self.session.tell(packet);
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.leave();
        self.shared.forget(&self.session);
        self.session.end("client");
    }
}

/// What a client is told whose request has failed.
pub(super) fn failed(event: &Event, error: &ApiError) -> Str {
    let problem = error.tell();
    match event.ack {
        Some(ack) => packet::answer(ack, &Refusal { ok: false, error: problem }),
        None => packet::told("problem", &Failure { event: Some(name(event)), problem }),
    }
}

/// The name of the event that a client has sent, as far as it is repeated.
fn name(event: &Event) -> &str {
    let end = event.name.char_indices().nth(LONGEST_NAME).map_or(event.name.len(), |(end, _)| end);
    &event.name[..end]
}

fn introduction(auth: Option<Box<RawValue>>) -> Result<Introduction, ApiError> {
    match auth.as_deref().map(RawValue::get) {
        None | Some("null") => Ok(Introduction::default()),
        Some(auth) if auth.len() > LONGEST_INTRODUCTION => Err(ApiError::field("auth", "is too long")),
        Some(auth) => wire::parse(auth.as_bytes()),
    }
}

async fn at(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
