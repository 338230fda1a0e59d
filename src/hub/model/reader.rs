//! A subscriber, and the judge of what it is told: the bytes alone, against the list.

use std::{pin::Pin, task::Poll, time::Duration};

use futures_util::{Stream, future::BoxFuture};
use serde_json::Value;
use tokio::time::Instant;

use super::{WRITE_BYTES, list::List, sleeper::Sleeper};
use crate::{
    change::{EventId, Operation},
    frame::tests::{Event, Events},
    hub::{Hub, Refused, Subscription, ring::Filter},
};

/// When its time would be over by itself: never, here.
const LATER: Duration = Duration::from_secs(3600);

/// What joins a subscriber to the node.
enum Line {
    Away,
    Coming(BoxFuture<'static, Result<Subscription, Refused>>),
    Open(Box<Subscription>),
}

/// What was so when the subscriber came.
#[derive(Default)]
struct Coming {
    from: Option<EventId>,
    /// The head of the node, and of the log.
    heads: Option<(EventId, EventId)>,
    troubles: usize,
}

/// How far the stream has come.
#[derive(PartialEq, Eq)]
enum Stage {
    /// It has said nothing yet.
    Silent,
    /// It did not go on where the client was, and is to say so.
    Refused,
    Following,
}

/// A subscriber.
pub(super) struct Reader {
    filter: Filter,
    /// The last id it was given: all that it knows.
    at: Option<EventId>,
    line: Line,
    sleeper: Sleeper,
    events: Events,
    coming: Coming,
    stage: Stage,
}

impl Reader {
    pub(super) fn new(filter: Filter, at: Option<EventId>) -> Self {
        Self {
            filter,
            at,
            line: Line::Away,
            sleeper: Sleeper::default(),
            events: Events::default(),
            coming: Coming::default(),
            stage: Stage::Silent,
        }
    }

    pub(super) fn is_away(&self) -> bool {
        matches!(self.line, Line::Away)
    }

    pub(super) fn is_awake(&self) -> bool {
        self.is_away() || self.sleeper.is_awake()
    }

    pub(super) fn go(&mut self) {
        self.line = Line::Away;
    }

    /// Comes (back), if it is away.
    pub(super) fn come(&mut self, hub: &Hub, list: &List) {
        if !self.is_away() {
            return;
        }
        let (mine, from, filter) = (hub.clone(), self.at, self.filter.clone());
        self.line =
            Line::Coming(Box::pin(async move { mine.subscribe(from, filter, Some(Instant::now() + LATER)).await }));
        self.coming = Coming { from, heads: Some((hub.head(), list.head())), troubles: list.troubles() };
        (self.sleeper, self.events, self.stage) = (Sleeper::default(), Events::default(), Stage::Silent);
        self.read(hub, list);
    }

    /// Takes one piece of what there is.
    pub(super) fn read(&mut self, hub: &Hub, list: &List) {
        match &mut self.line {
            Line::Away => {}
            Line::Coming(coming) => match self.sleeper.poll(|cx| coming.as_mut().poll(cx)) {
                Poll::Pending => {}
                Poll::Ready(Ok(subscription)) => self.line = Line::Open(Box::new(subscription)),
                Poll::Ready(Err(refused)) => self.end(list, &refused.to_string()),
            },
            Line::Open(subscription) => match self.sleeper.poll(|cx| Pin::new(subscription).poll_next(cx)) {
                Poll::Pending => {}
                Poll::Ready(Some(Ok(bytes))) => self.take(&bytes, hub, list),
                Poll::Ready(None) => self.end(list, "the stream ended"),
            },
        }
    }

    /// A stream ends only because of trouble.
    fn end(&mut self, list: &List, how: &str) {
        let (node, log) = self.coming.heads.unwrap();
        let trouble = list.troubles() > self.coming.troubles || node.generation != log.generation;
        assert!(trouble, "{how} without need");
        self.line = Line::Away;
    }

    fn take(&mut self, bytes: &[u8], hub: &Hub, list: &List) {
        let opening = self.stage == Stage::Silent;
        let events = self.events.read(bytes);
        assert!(self.events.is_between(), "events come whole");
        assert!(opening || events.len() < 2 || bytes.len() <= WRITE_BYTES, "too much at once");
        for event in events {
            self.hear(&event, hub, list);
        }
    }

    fn hear(&mut self, event: &Event, hub: &Hub, list: &List) {
        let id = event.id.as_deref().map(|id| id.parse::<EventId>().unwrap());
        let Some(data) = &event.data else {
            match id {
                Some(to) => self.moved(to, list),
                None => assert!(self.stage == Stage::Silent, "the first thing said is when to come back"),
            }
            return;
        };
        let value: Value = serde_json::from_str(data).unwrap();
        match value["type"].as_str().unwrap() {
            "bye" => return assert_eq!(id, None),
            "connected" => return self.connected(id, &value),
            "reset" => self.reset(id.unwrap(), &value, hub, list),
            _ => self.change(id.unwrap(), data, list),
        }
        self.at = id;
    }

    /// It goes on right where the client was, or says that it cannot.
    fn connected(&mut self, id: Option<EventId>, notice: &Value) {
        let at: EventId = notice["event_id"].as_str().unwrap().parse().unwrap();
        assert!(self.stage == Stage::Silent);
        let resumed = notice["resumed"].as_bool().unwrap();
        assert!(!resumed || self.coming.from == Some(at), "resumed elsewhere");
        assert!(resumed || self.coming.heads.is_some_and(|(node, _)| node == at), "begun elsewhere than at the head");
        self.stage = if resumed || self.coming.from.is_none() { Stage::Following } else { Stage::Refused };
        // Who is cut off before the reset must hear of it again: so its own position stays.
        assert_eq!(id, (self.stage == Stage::Following).then_some(at));
        self.at = id.or(self.coming.from);
    }

    /// What was needed is really gone.
    fn reset(&mut self, to: EventId, notice: &Value, hub: &Hub, list: &List) {
        assert_eq!(notice["head"], to.to_string());
        let (node, log) = self.coming.heads.unwrap();
        let (at, head, beyond) = match self.stage {
            Stage::Refused => (self.coming.from.unwrap(), node, self.coming.from > Some(log)),
            _ => (self.at.unwrap(), hub.head(), false),
        };
        assert_eq!(to, head, "reset to what is not the head");
        let extent = list.extent();
        let gone = match notice["reason"].as_str().unwrap() {
            "generation" => at.generation != head.generation || beyond,
            "expired" => at.generation != extent.generation || at.position < extent.floor,
            _ => false,
        };
        assert!(gone, "reset at {at}, though the log has {extent:?}: {notice}");
        self.stage = Stage::Following;
    }

    /// It is the next one that is wanted.
    fn change(&self, id: EventId, data: &str, list: &List) {
        assert!(self.stage == Stage::Following);
        let next = list.next(self.at.unwrap(), &self.filter);
        let next = next.unwrap_or_else(|| panic!("after {:?} there is nothing, not {id}", self.at));
        let kind = if next.operation == Operation::Insert { "new_message" } else { "truncated" };
        assert_eq!(id, next.event_id, "after {:?}", self.at);
        assert_eq!(data, format!(r#"{{"type":"{kind}","data":{}}}"#, next.json));
    }

    /// Nothing that is wanted was passed over.
    fn moved(&mut self, to: EventId, list: &List) {
        let at = self.at.unwrap();
        assert!(self.stage == Stage::Following && to.generation == at.generation && to > at);
        let next = list.next(at, &self.filter);
        assert!(next.is_none_or(|next| next.event_id > to), "moved from {at} to {to}");
        self.at = Some(to);
    }

    /// It has been told everything, and waits.
    pub(super) fn assert_at_head(&self, list: &List) {
        assert!(matches!(self.line, Line::Open(_)) && !self.is_awake() && self.stage == Stage::Following);
        assert_eq!(self.at, Some(list.head()), "stuck");
    }
}
