//! The life of a session: it waits to be let in, is connected for as long as its token lasts, and works off what it has
//! sent, one after the other.
//!
//! Who is not connected has a while to become so; who is sent out has it again. There is one task for each session, and
//! it holds little while nothing is to be done.

use std::{collections::HashSet, sync::Arc};

use engineioxide::{Str, socket::Sid};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::{
    Shared,
    packet::{self, Event, Packet},
    session::{Come, Session},
};
use crate::{
    api::{
        budget,
        problem::{ApiError, Problem},
        stream::full,
        wire,
    },
    auth::{AuthError, Principal},
    limit::{Group, Place, Who},
    metrics::METRICS,
};

/// What a client says of itself.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Introduction {
    token: Option<String>,
    user_id: Option<Uuid>,
}

/// The life of one session.
pub(super) struct Life {
    pub(super) shared: Arc<Shared>,
    pub(super) session: Arc<Session>,
    come: Arc<Come>,
    pub(super) member: Option<Box<Member>>,
    /// Until when it may be without being connected.
    patience: Instant,
    /// It has tried to connect.
    tried: bool,
}

/// Who is connected.
pub(super) struct Member {
    pub(super) principal: Principal,
    /// In whose name it writes.
    pub(super) user: Option<Uuid>,
    pub(super) rooms: HashSet<Arc<str>>,
    _place: Option<Box<Place>>,
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
                () = session.gone() => break,
                () = at(until) => self.time_is_up(),
                packet = session.inbox.next() => Box::pin(self.work_off(packet)).await,
            }
        }
        self.leave();
        if !session.is_over() {
            METRICS.socketio.ended("client");
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
        if let Some(member) = self.member.take() {
            self.shared.rooms.leave(&self.session, member.rooms.into_iter());
        }
        self.patience = Instant::now() + self.shared.options.connect_timeout;
    }

    async fn work_off(&mut self, packet: Packet) {
        match packet {
            Packet::Connect(auth) if self.member.is_none() => self.connect(auth).await,
            Packet::Event(event) if self.member.is_some() => self.request(event).await,
            Packet::Elsewhere(namespace) => {
                self.session.tell(packet::refused(&namespace, "Invalid namespace", None::<&()>));
            }
            Packet::Disconnect => self.leave(),
            Packet::Bad => self.session.end("packet"),
            Packet::Connect(_) | Packet::Event(_) | Packet::Nothing => {}
        }
    }

    async fn connect(&mut self, auth: Option<Box<RawValue>>) {
        let answer = match self.admit(auth).await {
            Ok(member) => {
                self.member = Some(Box::new(member));
                self.shared.rooms.enter(&self.session);
                METRICS.socketio.opened.inc();
                // A name of its own: the transport's number is its secret.
                packet::connected(&Sid::new().to_string())
            }
            Err(error) => {
                METRICS.socketio.refused("connect");
                let problem = error.tell();
                packet::refused("/", &problem.detail.clone(), Some(&problem))
            }
        };
        self.session.tell(answer);
    }

    /// Lets it in.
    async fn admit(&mut self, auth: Option<Box<RawValue>>) -> Result<Member, ApiError> {
        let gate = &self.shared.gate;
        let introduced = auth.map(|auth| introduction(&auth)).unwrap_or_else(|| Ok(Introduction::default()));
        let identified = match introduced {
            Ok(Introduction { token, user_id }) => self.identify(token.as_deref()).await.map(|one| (one, user_id)),
            Err(error) => Err(error),
        };
        let subject = identified.as_ref().ok().and_then(|(principal, _)| principal.subject.clone());
        let who = || Who::of(subject.as_deref(), self.come.address);
        // The first try was counted as the handshake that brought it.
        if std::mem::replace(&mut self.tried, true) {
            budget::count(&gate.limiter, Group::Stream, who).await.1?;
        }
        let (principal, user) = identified?;
        let _place = self.shared.streams.enter(who).map_err(full)?;
        let user = if principal.is_anyone() { user } else { principal.sender };
        Ok(Member { principal, user, rooms: HashSet::new(), _place })
    }

    async fn identify(&self, token: Option<&str>) -> Result<Principal, ApiError> {
        let auth = &self.shared.gate.auth;
        if auth.is_open() {
            return Ok(Principal::anyone());
        }
        let principal = auth.identify(self.come.given.token(token)?).await?;
        Ok(principal)
    }

    async fn request(&mut self, event: Event) {
        let Event { name, ack, .. } = &event;
        let name = super::request::known(name);
        let answer = self.answer(&event).await;
        METRICS.socketio.asked(name, answer.is_ok());
        let packet = match (answer, ack) {
            (Ok(answer), Some(ack)) => packet::answer(*ack, &answer),
            (Ok(_), None) => return,
            (Err(error), _) => failed(&event, error),
        };
        self.session.tell(packet);
    }

    /// How it is counted.
    pub(super) fn who(&self, member: &Member) -> Who {
        Who::of(member.principal.subject.as_deref(), self.come.address)
    }
}

/// What a client is told whose request has failed.
pub(super) fn failed(event: &Event, error: ApiError) -> Str {
    let problem = error.tell();
    match event.ack {
        Some(ack) => packet::answer(ack, &Refusal { ok: false, error: problem }),
        None => {
            let event = Some(super::request::known(&event.name));
            packet::told("problem", &Failure { event, problem })
        }
    }
}

fn introduction(auth: &RawValue) -> Result<Introduction, ApiError> {
    let null = auth.get() == "null";
    if null { Ok(Introduction::default()) } else { wire::parse(auth.get().as_bytes()) }
}

async fn at(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
