//! The smallest steps alone: what a change costs where it is read, rendered, kept and taken.
//!
//! The big figures are those of `bench`. These say which step it was when they move; a step takes so little that there it
//! would drown in noise.

#![expect(clippy::unwrap_used, reason = "a benchmark has no users, and fails by panicking")]

use chrono::{DateTime, Utc};
use divan::{Bencher, black_box};
use rowcast::{
    change::{Change, ChangedRow, EventId, Operation, Position, Published},
    frame::Frame,
    hub::ring::{Filter, Limits, Ring, Taken},
};
use uuid::Uuid;

/// The length of a message's text.
const CONTENT: usize = 200;

/// The changes go to so many rooms in turn.
const ROOMS: Position = 1_000;

/// What the ring holds: more than by default, so that there are 100 changes of each room.
const HELD: usize = 131_072;

/// The most bytes taken at once: more than by default, so that 100 changes come in one piece.
const WRITE_BYTES: usize = 64 << 10;

fn main() {
    divan::main();
}

/// A change as the relay renders it.
fn published(position: Position) -> Published {
    let row = ChangedRow {
        id: position,
        room: format!("room{}", position % ROOMS),
        content: Some("x".repeat(CONTENT)),
        content_omitted: false,
        file: None,
        created_date: DateTime::<Utc>::UNIX_EPOCH,
        updated_date: None,
        sender_id: Uuid::nil(),
        session_id: None,
    };
    let change = Change {
        operation: Operation::Insert,
        row: Some(row),
        event_id: EventId::new(1, position),
        prev: Some(EventId::new(1, position - 1)),
        transaction: "1234567".to_owned(),
        at: DateTime::<Utc>::UNIX_EPOCH,
    };
    Published::render(&change).unwrap()
}

/// A ring that holds all that it can.
fn full_ring() -> Ring {
    let mut ring = Ring::new(Limits { frames: HELD, bytes: 1 << 30 }, EventId::new(1, 0));
    for position in 1..=HELD as Position {
        assert!(ring.push(Frame::new(published(position))));
    }
    ring
}

/// From the text that came over the bus to a change.
#[divan::bench]
fn parse(bencher: Bencher<'_, '_>) {
    let payload = published(1_234_567).json;
    bencher.with_inputs(|| payload.clone()).bench_values(|payload| Published::parse(payload).unwrap());
}

/// From a change to the bytes of its event.
#[divan::bench]
fn render(bencher: Bencher<'_, '_>) {
    let change = published(1_234_567);
    bencher.with_inputs(|| change.clone()).bench_values(Frame::new);
}

/// Into a ring that lets go of the oldest frame for it.
#[divan::bench]
fn push(bencher: Bencher<'_, '_>) {
    let mut ring = full_ring();
    let frame = Frame::new(published(1_234_567));
    bencher.with_inputs(|| frame.clone()).bench_local_values(|mut frame| {
        frame.event_id = EventId::new(1, ring.head().position + 1);
        assert!(ring.push(frame));
    });
}

/// So many frames for a subscriber of everything.
#[divan::bench(args = [1, 100])]
fn take_all(bencher: Bencher<'_, '_>, pending: Position) {
    take(bencher, &Filter::All, pending, pending);
}

/// So many frames for a subscriber of one room, among those of all others.
#[divan::bench(args = [1, 100])]
fn take_room(bencher: Bencher<'_, '_>, pending: Position) {
    take(bencher, &Filter::Rooms(vec!["room7".to_owned()]), pending, pending * ROOMS);
}

/// Takes `pending` frames, which are wanted of the last `behind`.
fn take(bencher: Bencher<'_, '_>, filter: &Filter, pending: Position, behind: Position) {
    let ring = full_ring();
    let cursor = ring.head().position - behind;
    let Taken::Frames { bytes, .. } = ring.take(cursor, filter, WRITE_BYTES) else { panic!("the ring holds them") };
    let events = memchr::memmem::find_iter(&bytes, b"\n\n").count();
    assert_eq!(events as Position, pending);
    bencher.bench(|| ring.take(black_box(cursor), black_box(filter), WRITE_BYTES));
}
