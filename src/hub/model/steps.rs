//! What may happen to a node, its log, its bus and its subscribers.

use proptest::{prelude::*, sample::Index};

use super::list::Mood;
use crate::hub::ring::Filter;

/// One thing that happens.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Changes get positions: their rooms (none: every room) and sizes.
    Commit(Vec<(Option<u8>, usize)>),
    /// The bus brings what comes next, as well as it can; maybe an old change; maybe the head.
    Deliver { fates: Vec<Fate>, again: Option<Index>, heartbeat: bool },
    /// The node looks at the log by itself.
    Look,
    /// The log lets go of a part of what it has.
    Trim(Index),
    /// The log loses its last changes, and a new generation begins, this much further on.
    Begin { lost: i64, further: i64 },
    /// The log answers like this from now on.
    Log(Mood),
    /// A subscriber comes.
    Come(Filter, Start),
    /// A subscriber is ready to read once.
    Read(Index),
    /// A subscriber goes.
    Go(Index),
    /// A subscriber that has gone comes back with the last id it was given.
    Return(Index),
    /// Silent subscribers are to hear something.
    Beat,
    /// All subscribers are sent away.
    Bye,
    /// The time of all subscribers is over.
    Expire,
}

/// What the bus does with a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Arrives,
    Late,
    Twice,
    Lost,
}

/// Where a subscriber begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum Start {
    /// At the head.
    Now,
    /// In this generation, counted from that of the log, somewhere up to a little beyond the head.
    At(i32, Index),
}

/// The room of this number.
pub(super) fn room(number: u8) -> String {
    format!("room{number}")
}

/// One room more than changes are in.
fn filters() -> impl Strategy<Value = Filter> {
    let rooms = prop::collection::btree_set(0..4u8, 1..3);
    prop_oneof![Just(Filter::All), rooms.prop_map(|rooms| Filter::Rooms(rooms.into_iter().map(room).collect()))]
}

fn starts() -> impl Strategy<Value = Start> {
    let generation = prop_oneof![8 => Just(0), 1 => -1..=1];
    prop_oneof![Just(Start::Now), (generation, any::<Index>()).prop_map(|(number, at)| Start::At(number, at))]
}

fn moods() -> impl Strategy<Value = Mood> {
    let mood = |(held, stale, broken)| Mood { held, stale, broken };
    (any::<bool>(), any::<bool>(), prop::bool::weighted(0.2)).prop_map(mood)
}

fn deliveries() -> impl Strategy<Value = Step> {
    let fate = prop_oneof![
        8 => Just(Fate::Arrives),
        1 => Just(Fate::Late),
        1 => Just(Fate::Twice),
        1 => Just(Fate::Lost),
    ];
    let again = prop::option::weighted(0.1, any::<Index>());
    (prop::collection::vec(fate, 0..7), again, prop::bool::weighted(0.3))
        .prop_map(|(fates, again, heartbeat)| Step::Deliver { fates, again, heartbeat })
}

/// Anything, in any order.
pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let change = (prop::option::weighted(0.95, 0..3u8), 0..200usize);
    let step = prop_oneof![
        10 => prop::collection::vec(change, 1..7).prop_map(Step::Commit),
        10 => deliveries(),
        3 => Just(Step::Look),
        2 => any::<Index>().prop_map(Step::Trim),
        1 => (0..16i64, 0..4i64).prop_map(|(lost, further)| Step::Begin { lost, further }),
        3 => moods().prop_map(Step::Log),
        4 => (filters(), starts()).prop_map(|(filter, start)| Step::Come(filter, start)),
        20 => any::<Index>().prop_map(Step::Read),
        2 => any::<Index>().prop_map(Step::Go),
        3 => any::<Index>().prop_map(Step::Return),
        2 => Just(Step::Beat),
        1 => Just(Step::Bye),
        1 => Just(Step::Expire),
    ];
    prop::collection::vec(step, 1..100)
}
