//! Ring, log and bus against a plain list: whatever happens, in whatever order, each subscriber is told the list.

#[path = "expiry_tests.rs"]
mod expiry;
#[path = "model/feed.rs"]
mod feed;
#[path = "model/list.rs"]
mod list;
#[path = "model/reader.rs"]
mod reader;
#[path = "model/sleeper.rs"]
mod sleeper;
#[path = "model/steps.rs"]
mod steps;

use proptest::{prelude::*, sample::Index, strategy::ValueTree, test_runner::TestRunner};

use super::*;
use feed::Feed;
use list::{List, Mood};
use reader::Reader;
use steps::{Fate, Start, Step};

const WRITE_BYTES: usize = 600;

/// Small, so that everything overflows.
const OPTIONS: Options = Options {
    ring: Limits { frames: 8, bytes: 1500 },
    pages: PageOptions { positions: 4, kept_bytes: 1000, loads: 1 },
    write_bytes: WRITE_BYTES,
    resume_rate: u64::MAX,
    retry_ms: 1000,
    subscribers: 1000,
};

/// A node, with all that is around it.
struct World {
    list: Arc<List>,
    hub: Hub,
    feed: Feed,
    /// How many of the changes the bus has carried, or lost.
    carried: usize,
    readers: Vec<Reader>,
}

impl World {
    fn new() -> Self {
        let head = EventId::new(1, 3);
        let list = Arc::new(List::new(head));
        let hub = Hub::new(OPTIONS, list.clone(), head);
        Self { list, feed: Feed::new(hub.clone()), hub, carried: 0, readers: Vec::new() }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Commit(changes) => {
                changes.into_iter().for_each(|(room, size)| self.list.commit(room.map(steps::room), size));
            }
            Step::Deliver { fates, again, heartbeat } => self.deliver(&fates, again, heartbeat),
            Step::Look => self.feed.look(),
            Step::Trim(part) => self.list.trim(part),
            Step::Begin { lost, further } => self.list.begin(lost, further),
            Step::Log(mood) => self.list.set_mood(mood),
            Step::Come(filter, start) => self.come(filter, self.begin_at(start)),
            Step::Read(reader) => self.with(reader, Reader::read),
            Step::Go(reader) => self.with(reader, |reader, _, _| reader.go()),
            Step::Return(reader) => self.with(reader, Reader::come),
            Step::Beat => self.hub.0.slots().beat(0, 1),
            Step::Bye => {
                self.list.trouble();
                self.hub.0.slots().bye(0, 1);
            }
            Step::Expire => {
                self.list.trouble();
                let end = Instant::now() + Duration::from_secs(7200);
                assert_eq!(self.hub.0.slots().expire(end), None);
            }
        }
    }

    fn with(&mut self, reader: Index, act: impl FnOnce(&mut Reader, &Hub, &List)) {
        if !self.readers.is_empty() {
            let reader = reader.index(self.readers.len());
            act(&mut self.readers[reader], &self.hub, &self.list);
        }
    }

    fn deliver(&mut self, fates: &[Fate], again: Option<Index>, heartbeat: bool) {
        let changes = self.list.changes();
        let next = changes[self.carried..].iter().zip(fates);
        self.carried = changes.len().min(self.carried + fates.len());
        let (mut batch, mut late) = (Vec::new(), Vec::new());
        for (change, fate) in next {
            if matches!(fate, Fate::Arrives | Fate::Twice) {
                batch.push(change.clone());
            }
            if matches!(fate, Fate::Late | Fate::Twice) {
                late.push(change.clone());
            }
        }
        batch.append(&mut late);
        batch.extend(again.filter(|_| !changes.is_empty()).map(|again| again.get(&changes).clone()));
        self.feed.hear(batch, heartbeat.then(|| self.list.head()));
    }

    fn begin_at(&self, start: Start) -> Option<EventId> {
        let Start::At(number, at) = start else { return None };
        let EventId { generation, position } = self.list.head();
        Some(EventId::new(generation + number, at.index(position as usize + 4) as Position))
    }

    fn come(&mut self, filter: Filter, from: Option<EventId>) {
        let mut reader = Reader::new(filter, from);
        reader.come(&self.hub, &self.list);
        self.readers.push(reader);
    }

    /// Lets all come to rest: nothing is held back any more, and silent subscribers hear where they are.
    fn rest(&mut self) {
        self.list.set_mood(Mood::default());
        let all = self.list.changes().len() - self.carried;
        self.deliver(&vec![Fate::Arrives; all], None, true);
        self.go_on();
        // The first beat may find that something was said since the one before; the third has nothing new to say.
        for _ in 0..3 {
            self.step(Step::Beat);
            self.go_on();
        }
    }

    /// Lets whoever was woken go on, until nobody is.
    fn go_on(&mut self) {
        for _ in 0..1000 {
            if self.feed.is_awake() {
                self.feed.run();
            }
            let awake: Vec<_> = self.readers.iter_mut().filter(|reader| reader.is_awake()).collect();
            if awake.is_empty() {
                return;
            }
            for reader in awake {
                reader.come(&self.hub, &self.list);
                reader.read(&self.hub, &self.list);
            }
        }
        panic!("it never comes to rest");
    }

    fn assert_all_told(&self) {
        assert_eq!(self.hub.head(), self.list.head());
        self.readers.iter().for_each(|reader| reader.assert_at_head(&self.list));
        assert_eq!(self.hub.stats().subscribers, self.readers.len());
    }
}

/// Lets it all happen, and come to rest; what the node has done then.
fn live_through(steps: Vec<Step>) -> Stats {
    let mut world = World::new();
    steps.into_iter().for_each(|step| world.step(step));
    world.rest();
    world.assert_all_told();
    world.readers.clear();
    assert_eq!(world.hub.stats().subscribers, 0);
    world.hub.stats()
}

#[test]
fn what_a_new_generation_has_at_the_same_positions_is_not_told_as_the_old_ones() {
    let mut world = World::new();
    world.come(Filter::All, None);
    world.readers[0].read(&world.hub, &world.list);
    // The ring has moved past the reader, and knows nothing of the new generation yet.
    world.step(Step::Commit(vec![(None, 0); 12]));
    world.deliver(&[Fate::Arrives; 12], None, false);
    world.step(Step::Begin { lost: 12, further: 0 });
    world.step(Step::Commit(vec![(None, 0); 3]));
    world.readers[0].read(&world.hub, &world.list);
    world.rest();
    world.assert_all_told();
}

#[test]
fn a_page_that_someone_began_to_read_too_early_ends_no_stream() {
    let mut world = World::new();
    let some = |count| Step::Commit(vec![(None, 0); count]);
    // The log has what the ring has never had.
    [Step::Begin { lost: 0, further: 0 }, some(3), Step::Look].into_iter().for_each(|step| world.step(step));
    world.come(Filter::All, None);
    world.readers[0].read(&world.hub, &world.list);
    world.step(Step::Log(Mood { held: true, stale: true, broken: false }));
    world.come(Filter::All, Some(EventId::new(2, 4)));
    // Meanwhile the ring moves past the first one, which now needs the page that the second one waits for.
    world.step(some(9));
    world.rest();
    world.assert_all_told();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_happens_every_subscriber_is_told_the_list(steps in steps::steps()) {
        live_through(steps);
    }
}

#[test]
fn what_happens_is_wild_enough() {
    let mut runner = TestRunner::deterministic();
    let mut live = || live_through(steps::steps().new_tree(&mut runner).unwrap().current());
    let lives: Vec<Stats> = (0..200).map(|_| live()).collect();
    let often = |what: fn(&Stats) -> u64| lives.iter().filter(|life| what(life) > 0).count() > 50;
    assert!(often(|life| life.resumed) && often(|life| life.resets) && often(|life| life.pages));
}
