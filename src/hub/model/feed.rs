//! What feeds a node: it does with what it hears from the bus what the intake does.

use futures_util::future::BoxFuture;

use super::sleeper::Sleeper;
use crate::{
    change::{EventId, PastUnavailable, Published},
    hub::Hub,
};

/// The feed of a node.
pub(super) struct Feed {
    hub: Hub,
    /// Changes that wait to be handled, and the last head that was told.
    heard: Option<(Vec<Published>, Option<EventId>)>,
    behind: bool,
    catching_up: Option<BoxFuture<'static, Result<(), PastUnavailable>>>,
    sleeper: Sleeper,
}

impl Feed {
    pub(super) fn new(hub: Hub) -> Self {
        Self { hub, heard: None, behind: false, catching_up: None, sleeper: Sleeper::default() }
    }

    pub(super) fn is_awake(&self) -> bool {
        self.catching_up.is_some() && self.sleeper.is_awake()
    }

    /// Looks at the log, whatever the bus says.
    pub(super) fn look(&mut self) {
        self.behind = true;
        self.hear(Vec::new(), None);
    }

    pub(super) fn hear(&mut self, changes: Vec<Published>, head: Option<EventId>) {
        let heard = self.heard.get_or_insert_default();
        heard.0.extend(changes);
        heard.1 = head.or(heard.1);
        self.run();
    }

    /// Goes on as far as it can: while it reads the log, what it hears waits.
    pub(super) fn run(&mut self) {
        loop {
            if let Some(catching_up) = &mut self.catching_up {
                let polled = self.sleeper.poll(|cx| catching_up.as_mut().poll(cx));
                let std::task::Poll::Ready(done) = polled else { return };
                (self.behind, self.catching_up) = (done.is_err(), None);
            }
            let Some((changes, head)) = self.heard.take() else { return };
            let last = changes.iter().map(|change| change.event_id).max();
            let complete = self.hub.publish(changes);
            assert_eq!(complete, last <= Some(self.hub.head()), "a hole is told, and nothing else is one");
            self.behind |= !complete || head.is_some_and(|head| head > self.hub.head());
            if self.behind {
                let hub = self.hub.clone();
                self.catching_up = Some(Box::pin(async move { hub.catch_up().await }));
            }
        }
    }
}
