//! Whatever is done to a session, in whatever order: Redis holds what a plain model of a session does, and every answer
//! is the model's.

use std::collections::BTreeMap;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use rowcast::{
    redis::session::{
        Bounds,
        NotAppended::{self, *},
        NotRotated, Opened, Step,
    },
    reply::{Batch, Reason, Receipt, State},
};
use tokio::runtime::Runtime;

use crate::support::{
    World,
    logs::{BOUNDS, Log, opening},
};

/// Small enough to be reached.
const MOST: Bounds = Bounds { chunks: 24, bytes: 60, window: 5, ..BOUNDS };

/// What is done. Numbers of chunks are relative to the first that is missing.
#[derive(Debug, Clone)]
enum Act {
    Open { same: bool, token: u8 },
    Append { fenced: bool, chunks: Vec<(i64, String)>, last: Option<i64>, tokens: Option<u64> },
    Rotate(u8),
    Cancel { keep: bool },
    Fail(Reason),
    Complete(Option<i64>),
    Reap { held: bool },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let chunk = (-2..=6_i64, "[aé🦀\0]{0,4}");
    let chunks = prop::collection::vec(chunk, 0..6);
    let last = prop::option::weighted(0.15, -2..=8_i64);
    let append = (prop::bool::weighted(0.05), chunks, last, prop::option::weighted(0.1, 0..100_u64));
    let reasons = prop::sample::select(vec![Reason::UpstreamError, Reason::PersistFailed, Reason::Empty]);
    let act = prop_oneof![
        3 => (prop::bool::weighted(0.8), 0..3_u8).prop_map(|(same, token)| Act::Open { same, token }),
        30 => append.prop_map(|(fenced, chunks, last, tokens)| Act::Append { fenced, chunks, last, tokens }),
        2 => (0..3_u8).prop_map(Act::Rotate),
        1 => any::<bool>().prop_map(|keep| Act::Cancel { keep }),
        1 => reasons.prop_map(Act::Fail),
        2 => prop::option::of(1..9_i64).prop_map(Act::Complete),
        3 => any::<bool>().prop_map(|held| Act::Reap { held }),
    ];
    prop::collection::vec(act, 1..40)
}

/// A session, as one would write it down.
#[derive(Debug, Default)]
struct Model {
    /// As Redis calls it; none as long as there is no session.
    state: Option<&'static str>,
    token: u8,
    /// All that was taken, whether there is a hole before it or not.
    chunks: BTreeMap<u64, String>,
    last: Option<u64>,
    tokens: Option<u64>,
    cancelled: bool,
    /// Its text was thrown away.
    bare: bool,
    /// What was told with its end.
    message: Option<i64>,
    reason: Option<Reason>,
    /// Before the text was thrown away: chunks without a hole, and bytes.
    was: (u64, u64),
}

impl Model {
    fn count(&self) -> u64 {
        if self.bare {
            return self.was.0;
        }
        (0..).take_while(|number| self.chunks.contains_key(number)).count() as u64
    }

    fn bytes(&self) -> u64 {
        if self.bare { self.was.1 } else { self.chunks.values().map(|text| text.len() as u64).sum() }
    }

    fn parked(&self) -> u64 {
        if self.is_over() { 0 } else { self.chunks.len() as u64 - self.count() }
    }

    fn is_open(&self) -> bool {
        matches!(self.state, Some("created" | "streaming"))
    }

    fn is_over(&self) -> bool {
        matches!(self.state, Some("completed" | "failed" | "cancelled"))
    }

    fn public(&self) -> State {
        self.state.unwrap().parse().unwrap()
    }

    fn open(&mut self, same: bool, token: u8) -> &'static str {
        match self.state {
            None => {
                (self.state, self.token) = (Some("created"), token);
                "new"
            }
            Some(_) if !same || self.is_over() => "taken",
            Some(_) if token == self.token => "new",
            Some(_) => "there",
        }
    }

    fn append(&mut self, fenced: bool, batch: &Batch) -> Result<Receipt, NotAppended> {
        let Some(state) = self.state else { return Err(Unknown) };
        if fenced {
            return Err(Fenced);
        } else if matches!(state, "failed" | "cancelled") || self.cancelled {
            return Err(Closed);
        }
        let count = self.count();
        let receipt = |this: &Self, accepted| Receipt {
            state: this.public(),
            sealed: this.state == Some("sealed"),
            count: this.count(),
            accepted,
            duplicates: batch.chunks.len() as u64 - accepted,
            parked: this.parked(),
        };
        if !self.is_open() {
            let beyond = |number: &u64| Some(*number) > self.last;
            let other = batch.last.is_some_and(|last| Some(last) != self.last);
            let closed = other || batch.chunks.iter().any(|(number, _)| beyond(number));
            return if closed { Err(Closed) } else { Ok(receipt(self, 0)) };
        }
        let top = self.chunks.keys().last().copied();
        if let Some(last) = batch.last
            && (self.last.is_some_and(|known| known != last) || top.is_some_and(|top| last < top))
        {
            return Err(FinalConflict);
        }
        let (bound, mut after) = (self.last.or(batch.last), self.chunks.clone());
        for (number, text) in &batch.chunks {
            if bound.is_some_and(|bound| *number > bound) {
                return Err(BeyondFinal);
            } else if *number >= MOST.chunks {
                return Err(TooMany);
            } else if *number > count + MOST.window {
                return Err(Window);
            }
            after.entry(*number).or_insert_with(|| text.clone());
        }
        if after.values().map(String::len).sum::<usize>() as u64 > MOST.bytes {
            return Err(TooLarge);
        } else if batch.last.is_some_and(|last| last >= MOST.chunks) {
            return Err(TooMany);
        }
        let accepted = (after.len() - self.chunks.len()) as u64;
        (self.chunks, self.last, self.tokens) = (after, bound, batch.tokens.or(self.tokens));
        if self.last.is_some_and(|last| self.count() == last + 1) {
            self.state = Some("sealed");
        } else if accepted > 0 {
            self.state = Some("streaming");
        }
        Ok(receipt(self, accepted))
    }

    fn end(&mut self, state: &'static str, keep: bool) -> Step {
        self.was = (self.count(), self.bytes());
        self.bare = !keep;
        self.state = Some(state);
        Step::Over { state: self.public(), now: true }
    }

    /// Where it is, if nothing is done.
    fn rest(&self) -> Step {
        match self.state {
            None => Step::Gone,
            Some("sealed") => Step::Sealed,
            Some(_) if self.is_over() => Step::Over { state: self.public(), now: false },
            Some(_) => Step::Open(self.public()),
        }
    }

    fn cancel(&mut self, keep: bool) -> Step {
        if !self.is_open() {
            return self.rest();
        }
        let count = self.count();
        if !keep || self.chunks.range(..count).all(|(_, text)| text.is_empty()) {
            return self.end("cancelled", false);
        }
        self.chunks.split_off(&count);
        (self.state, self.cancelled, self.last) = (Some("sealed"), true, Some(count - 1));
        Step::Sealed
    }

    fn fail(&mut self, reason: Reason) -> Step {
        let unwritten = self.state == Some("sealed") && reason != Reason::UpstreamError;
        if !self.is_open() && !unwritten {
            return self.rest();
        }
        self.reason = Some(reason);
        self.end("failed", reason == Reason::PersistFailed)
    }

    fn complete(&mut self, message: Option<i64>) -> Step {
        if self.state != Some("sealed") {
            return self.rest();
        }
        self.message = message;
        self.end(if self.cancelled { "cancelled" } else { "completed" }, false)
    }

    /// Nothing is ever due here.
    fn reap(&self, held: bool) -> Step {
        match self.rest() {
            Step::Sealed if !held => Step::Open(State::Streaming),
            Step::Open(_) => Step::Open(State::Streaming),
            rest => rest,
        }
    }
}

/// Does it to both.
async fn act(model: &mut Model, log: &Log, act: &Act) {
    let from = |offset: &i64| (model.count() as i64 + offset).max(0) as u64;
    match act {
        Act::Open { same, token } => {
            let (mut opening, same) = (opening(log.id), *same || model.state.is_none());
            if !same {
                opening.room.push('s');
            }
            let opened = log.logs.open(&opening, &token.to_string()).await.unwrap();
            let word = model.open(same, *token);
            match opened {
                Opened::New { .. } => assert_eq!(word, "new"),
                Opened::Taken => assert_eq!(word, "taken"),
                Opened::Full | Opened::Many => panic!("there is room"),
                Opened::There { token, count, state, .. } => {
                    assert_eq!((word, token), ("there", model.token.to_string()));
                    assert_eq!((count, state), (model.count(), model.public()));
                }
            }
        }
        Act::Append { fenced, chunks, last, tokens } => {
            let chunks = chunks.iter().map(|(offset, text)| (from(offset), text.clone())).collect();
            let batch = Batch { chunks, last: last.as_ref().map(from), tokens: *tokens };
            let token = if *fenced { "fenced".to_owned() } else { model.token.to_string() };
            let before = log.dump().await;
            let appended = log.logs.append(log.id, &token, &batch).await.unwrap();
            if appended.is_err() {
                assert_eq!(log.dump().await, before);
            }
            let count = model.count();
            assert_eq!(appended, model.append(*fenced, &batch).map_err(|why| (why, count)));
        }
        Act::Rotate(token) => {
            let rotated = log.logs.rotate(log.id, &token.to_string()).await.unwrap();
            let expected = match model.state {
                None => Err(NotRotated::Unknown),
                Some(_) if !model.is_open() => Err(NotRotated::Closed),
                Some(_) => Ok((model.count(), model.public())),
            };
            assert_eq!(rotated, expected);
            if rotated.is_ok() {
                model.token = *token;
            }
        }
        Act::Cancel { keep } => {
            assert_eq!(log.logs.cancel(log.id, "who", *keep).await.unwrap(), model.cancel(*keep));
        }
        Act::Fail(reason) => {
            assert_eq!(log.logs.fail(log.id, *reason, "").await.unwrap(), model.fail(*reason));
        }
        Act::Complete(message) => {
            assert_eq!(log.logs.complete(log.id, *message).await.unwrap(), model.complete(*message));
        }
        Act::Reap { held } => assert_eq!(log.logs.reap(log.id, *held).await.unwrap(), model.reap(*held)),
    }
}

/// Redis holds what the model does.
async fn compare(model: &Model, log: &Log) {
    let Some(session) = log.logs.look(log.id).await.unwrap() else { return assert_eq!(model.state, None) };
    assert_eq!(
        (session.state, session.sealed, session.count, session.bytes, session.parked),
        (model.public(), model.state == Some("sealed"), model.count(), model.bytes(), model.parked())
    );
    assert_eq!((session.last, session.tokens), (model.last, model.tokens));
    assert_eq!((session.message, session.reason), (model.message, model.reason));
    let texts: Vec<_> = model.chunks.values().take(model.count() as usize).cloned().collect();
    assert_eq!(log.texts().await, if model.bare { vec![] } else { texts });
    assert_eq!(log.due().await.is_some(), !model.is_over());
    let parts: Vec<_> = log.parts().await.into_keys().collect();
    let log_is_there = !model.bare && model.count() > 0;
    let there = [("", true), (":log", log_is_there), (":parked", model.parked() > 0)];
    assert_eq!(parts, there.into_iter().filter(|(_, there)| *there).map(|(part, _)| part).collect::<Vec<_>>());
}

#[test]
fn a_session_is_what_a_plain_model_of_one_is() {
    let runtime = Runtime::new().unwrap();
    let world = runtime.block_on(World::new());
    let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
    let run = |acts: Vec<Act>| {
        runtime.block_on(async {
            // Keys of other cases are no matter.
            let prefix = format!("{}{}:", world.prefix, fastrand::u64(..));
            let (database_url, redis_url) = (world.database_url.clone(), world.redis_url.clone());
            let world = World { prefix, database_url, redis_url, pool: world.pool.clone() };
            let (mut model, log) = (Model::default(), Log::unopened(&world, MOST).await);
            for step in &acts {
                act(&mut model, &log, step).await;
                compare(&model, &log).await;
            }
        });
        Ok(())
    };
    TestRunner::new(config).run(&acts(), run).unwrap();
}
