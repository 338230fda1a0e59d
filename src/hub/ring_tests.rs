//! The ring against a plain list that keeps everything: nothing wanted is lost, repeated or out of order.

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { frames: 6, bytes: 120 };

/// What happens to a ring.
#[derive(Debug, Clone)]
enum Step {
    /// A change in one of the rooms (none: in all), of this size.
    Push(Option<u8>, usize),
    /// A subscriber with this filter comes, at the head.
    Join(Filter),
    /// The oldest subscriber goes.
    Leave,
    /// A subscriber takes what there is, up to this many bytes.
    Take(prop::sample::Index, usize),
    /// The feed starts anew, this much further on.
    Restart(i64),
}

/// A subscriber, with what it has seen.
struct Reader {
    filter: Filter,
    cursor: Position,
    seen: Vec<Position>,
    /// Where it came.
    from: Position,
}

fn name(room: u8) -> String {
    format!("room{room}")
}

fn filters() -> impl Strategy<Value = Filter> {
    let rooms = prop::collection::btree_set(0..4u8, 1..3);
    prop_oneof![Just(Filter::All), rooms.prop_map(|rooms| Filter::Rooms(rooms.into_iter().map(name).collect()))]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (prop::option::weighted(0.9, 0..4u8), 1..40usize).prop_map(|(room, size)| Step::Push(room, size)),
        2 => filters().prop_map(Step::Join),
        1 => Just(Step::Leave),
        6 => (any::<prop::sample::Index>(), 1..100usize).prop_map(|(reader, bytes)| Step::Take(reader, bytes)),
        1 => (0..3i64).prop_map(Step::Restart),
    ];
    prop::collection::vec(step, 1..120)
}

/// The ring, all that was ever pushed, and the subscribers.
struct World {
    ring: Ring,
    pushed: Vec<Frame>,
    readers: Vec<Reader>,
}

impl World {
    fn new() -> Self {
        let ring = Ring::new(LIMITS, EventId::new(1, 100));
        Self { ring, pushed: Vec::new(), readers: Vec::new() }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Push(room, size) => self.push(room.map(name), size),
            Step::Join(filter) => self.join(filter),
            Step::Leave if self.readers.is_empty() => {}
            Step::Leave => self.ring.unwatch(&self.readers.remove(0).filter),
            Step::Take(_, _) if self.readers.is_empty() => {}
            Step::Take(reader, bytes) => {
                let reader = reader.index(self.readers.len());
                self.take(reader, bytes);
            }
            Step::Restart(further) => self.restart(further),
        }
        self.check_bounds();
    }

    fn push(&mut self, room: Option<String>, size: usize) {
        let head = self.ring.head();
        let event_id = EventId::new(head.generation, head.position + 1);
        // The position is written into the bytes, so that what was taken tells what it was.
        let bytes = format!("{:>1$}\n", event_id.position, size.max(6));
        let frame = Frame { event_id, room, captured: None, bytes: bytes.into() };
        assert!(!self.ring.push(Frame { event_id: EventId::new(head.generation, head.position + 2), ..frame.clone() }));
        assert!(self.ring.push(frame.clone()));
        self.pushed.push(frame);
    }

    fn join(&mut self, filter: Filter) {
        self.ring.watch(&filter);
        let from = self.ring.head().position;
        self.readers.push(Reader { filter, cursor: from, seen: Vec::new(), from });
    }

    fn restart(&mut self, further: i64) {
        let head = self.ring.head();
        self.ring.restart(EventId::new(head.generation + 1, head.position + further));
        self.pushed.clear();
        for reader in &mut self.readers {
            (reader.cursor, reader.from) = (head.position + further, head.position + further);
            reader.seen.clear();
        }
    }

    /// A subscriber takes, and is judged: it has seen exactly what it wants up to its cursor.
    fn take(&mut self, reader: usize, max_bytes: usize) {
        let reader = &mut self.readers[reader];
        let wanted = |from: Position, upto: Position| {
            let wanted = self.pushed.iter().filter(|frame| reader.filter.wants(frame.room.as_deref()));
            let positions = wanted.map(|frame| frame.event_id.position);
            positions.filter(|position| (from + 1..=upto).contains(position)).collect::<Vec<_>>()
        };
        match self.ring.take(reader.cursor, &reader.filter, max_bytes) {
            Taken::Behind => {
                let lost = wanted(reader.cursor, self.ring.floor());
                assert!(!lost.is_empty(), "only what has left the ring is read from the log");
                // The log gives what the ring has lost.
                reader.seen.extend(lost);
                reader.cursor = self.ring.floor();
            }
            Taken::Frames { bytes, count, last, cursor, .. } => {
                let text = std::str::from_utf8(&bytes).unwrap();
                let taken: Vec<Position> = text.lines().map(|line| line.trim().parse().unwrap()).collect();
                assert_eq!(last, taken.last().copied().unwrap_or(reader.cursor));
                assert_eq!(count, taken.len());
                assert!(taken.len() < 2 || bytes.len() <= max_bytes);
                assert!(!taken.is_empty() || cursor == self.ring.head().position, "at the head, or further on");
                reader.seen.extend(taken);
                reader.cursor = cursor;
            }
        }
        assert_eq!(reader.seen, wanted(reader.from, reader.cursor), "each once, in order, none missing");
    }

    fn check_bounds(&self) {
        let ring = &self.ring;
        assert_eq!(ring.bytes, ring.frames.iter().map(|frame| frame.bytes.len()).sum::<usize>());
        assert!(ring.frames.len() <= LIMITS.frames && (ring.bytes <= LIMITS.bytes || ring.frames.len() == 1));
        for (room, track) in &ring.tracks {
            let watchers =
                self.readers.iter().filter(|reader| reader.filter.tracks().any(|key| key == room.as_deref()));
            assert_eq!(track.watchers, watchers.count());
            assert!(track.watchers > 0 || !track.positions.is_empty(), "{room:?} is kept for nobody");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_wanted_is_lost_repeated_or_out_of_order(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
    }
}

#[test]
fn a_cursor_ahead_of_the_head_waits_for_it() {
    let mut world = World::new();
    world.push(None, 1);
    let waits = Taken::nothing(103, 103);
    assert_eq!(world.ring.take(103, &Filter::All, 100), waits);
    for _ in 0..3 {
        world.push(None, 1);
    }
    let Taken::Frames { bytes, last, .. } = world.ring.take(103, &Filter::All, 100) else { panic!() };
    assert_eq!((last, bytes.len()), (104, 7));
}

#[test]
fn a_room_that_was_quiet_while_others_moved_the_ring_on_has_missed_nothing() {
    let mut world = World::new();
    let quiet = Filter::Rooms(vec![name(0)]);
    world.ring.watch(&quiet);
    for _ in 0..50 {
        world.push(Some(name(1)), 1);
    }
    let all = Taken::nothing(100, 150);
    assert_eq!(world.ring.take(100, &quiet, 100), all);
    assert_eq!(world.ring.take(100, &Filter::All, 100), Taken::Behind);
}
