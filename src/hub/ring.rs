//! The ring: the last frames of a node, by position, with an index by room.
//!
//! Pure data: no tokio, no lock, no socket. A subscriber is a cursor into it. A subscriber of one room must not walk
//! over the changes of all others, and one in a quiet room must not be sent to the log only because the others have
//! moved the ring on. So each room keeps a track: its positions in the ring, and the last one that was evicted. A
//! cursor at or past that has missed nothing in that room, however old it is.
//!
//! The price: one number per frame in a track, and one track per room that is watched or has frames in the ring.

use std::collections::{HashMap, VecDeque};

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};

use crate::{
    change::{EventId, Generation, Position},
    frame::Frame,
};

/// How much a ring holds. The newest frame stays, whatever its size.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most frames.
    pub frames: usize,
    /// The most bytes of frames.
    pub bytes: usize,
}

/// Which changes a subscriber wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// All.
    All,
    /// Those of these rooms, and those that concern every room.
    Rooms(Vec<String>),
}

impl Filter {
    /// Whether a change of `room` (none: of every room) is wanted.
    pub fn wants(&self, room: Option<&str>) -> bool {
        match (self, room) {
            (Self::All, _) | (_, None) => true,
            (Self::Rooms(rooms), Some(room)) => rooms.iter().any(|wanted| wanted == room),
        }
    }

    /// The keys of the tracks that hold what is wanted, beside all.
    fn tracks(&self) -> impl Iterator<Item = Option<&str>> {
        let rooms: &[String] = match self {
            Self::All => &[],
            Self::Rooms(rooms) => rooms,
        };
        rooms.iter().map(|room| Some(room.as_str())).chain([None])
    }
}

/// What the ring has for a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// Something that is wanted has left the ring: read the log.
    Behind,
    /// What is wanted after the cursor.
    Frames {
        /// The frames, joined; empty if there are none.
        bytes: Bytes,
        /// How many they are.
        count: usize,
        /// When the first of them was captured, if that is known.
        captured: Option<DateTime<Utc>>,
        /// The position of the last of them; the old cursor if there are none.
        last: Position,
        /// The new cursor: nothing that is wanted lies between `last` and it.
        cursor: Position,
    },
}

impl Taken {
    /// Nothing is wanted between `last` and `cursor`.
    fn nothing(last: Position, cursor: Position) -> Self {
        Self::Frames { bytes: Bytes::new(), count: 0, captured: None, last, cursor }
    }

    fn these(mut joined: Joined, cursor: Position) -> Self {
        let Joined { count, captured, last, .. } = joined;
        Self::Frames { bytes: joined.bytes(), count, captured, last, cursor }
    }
}

/// The positions of one room in the ring.
#[derive(Debug)]
struct Track {
    positions: VecDeque<Position>,
    /// No change of this room after this position has left the ring.
    complete_after: Position,
    watchers: usize,
}

/// The last frames of a node.
#[derive(Debug)]
pub struct Ring {
    limits: Limits,
    generation: Generation,
    /// The position before the first frame held.
    floor: Position,
    frames: VecDeque<Frame>,
    bytes: usize,
    /// By room; `None` are the changes that concern every room.
    tracks: HashMap<Option<String>, Track>,
}

impl Ring {
    /// An empty ring; the next frame is the one after `head`.
    pub fn new(limits: Limits, head: EventId) -> Self {
        Self {
            limits,
            generation: head.generation,
            floor: head.position,
            frames: VecDeque::new(),
            bytes: 0,
            tracks: HashMap::new(),
        }
    }

    /// The last position.
    pub fn head(&self) -> EventId {
        EventId::new(self.generation, self.floor + self.frames.len() as Position)
    }

    /// The position before the first frame held.
    pub fn floor(&self) -> Position {
        self.floor
    }

    /// The bytes of all frames held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// When the first frame held was captured; none if there is no frame, or it does not tell.
    pub fn oldest(&self) -> Option<DateTime<Utc>> {
        self.frames.front().and_then(|frame| frame.captured)
    }

    /// Adds the frame after the head, and lets go of the oldest ones beyond the limits.
    ///
    /// Returns whether it was that frame; any other is refused.
    #[must_use]
    pub fn push(&mut self, frame: Frame) -> bool {
        let head = self.head();
        if frame.event_id != EventId::new(head.generation, head.position + 1) {
            return false;
        }
        self.track(frame.room.as_deref()).positions.push_back(frame.event_id.position);
        self.bytes += frame.bytes.len();
        self.frames.push_back(frame);
        while self.frames.len() > self.limits.frames.max(1) || (self.bytes > self.limits.bytes && self.frames.len() > 1)
        {
            self.evict();
        }
        true
    }

    /// Forgets all frames: the next one is the one after `head`, maybe of another generation.
    pub fn restart(&mut self, head: EventId) {
        self.generation = head.generation;
        self.floor = head.position;
        self.frames.clear();
        self.bytes = 0;
        self.tracks.retain(|_, track| {
            track.positions.clear();
            track.complete_after = head.position;
            track.watchers > 0
        });
    }

    /// Keeps the tracks of a subscriber's rooms from now on.
    pub fn watch(&mut self, filter: &Filter) {
        for room in filter.tracks() {
            self.track(room).watchers += 1;
        }
    }

    /// Undoes one `watch` of the same filter.
    pub fn unwatch(&mut self, filter: &Filter) {
        for room in filter.tracks() {
            let key = room.map(str::to_owned);
            if let Some(track) = self.tracks.get_mut(&key) {
                track.watchers -= 1;
                if track.watchers == 0 && track.positions.is_empty() {
                    self.tracks.remove(&key);
                }
            }
        }
    }

    /// The wanted frames after `cursor`, joined: at least one if there is one, then up to `max_bytes`.
    pub fn take(&self, cursor: Position, filter: &Filter, max_bytes: usize) -> Taken {
        match filter {
            Filter::All => self.take_all(cursor, max_bytes),
            Filter::Rooms(_) => self.take_rooms(cursor, filter, max_bytes),
        }
    }

    /// The frames after `cursor`, `most` of them at most; `None` where one of them has left the ring.
    pub fn after(&self, cursor: Position, most: usize) -> Option<Vec<Frame>> {
        let skip = usize::try_from(cursor - self.floor).ok()?;
        Some(self.frames.iter().skip(skip).take(most).cloned().collect())
    }

    fn take_all(&self, cursor: Position, max_bytes: usize) -> Taken {
        let Ok(skip) = usize::try_from(cursor - self.floor) else { return Taken::Behind };
        let wanted = self.frames.iter().skip(skip);
        self.join(wanted, cursor, max_bytes)
    }

    fn take_rooms(&self, cursor: Position, filter: &Filter, max_bytes: usize) -> Taken {
        let mut rests = Vec::new();
        for room in filter.tracks() {
            let track = self.tracks.get(&room.map(str::to_owned));
            if cursor < track.map_or(self.floor, |track| track.complete_after) {
                return Taken::Behind;
            }
            if let Some(track) = track {
                let seen = track.positions.partition_point(|&position| position <= cursor);
                rests.push(track.positions.range(seen..).peekable());
            }
        }
        let merged = std::iter::from_fn(move || {
            let next = rests.iter_mut().filter_map(|rest| rest.peek().copied().map(|position| (*position, rest)));
            next.min_by_key(|(position, _)| *position).and_then(|(_, rest)| rest.next())
        });
        let wanted = merged.filter_map(|position| self.frames.get((position - self.floor - 1) as usize));
        self.join(wanted, cursor, max_bytes)
    }

    fn join<'a>(&self, mut wanted: impl Iterator<Item = &'a Frame>, cursor: Position, max_bytes: usize) -> Taken {
        let end = self.head().position.max(cursor);
        let Some(first) = wanted.next() else {
            return Taken::nothing(cursor, end);
        };
        let mut joined = Joined::new(first);
        for frame in wanted {
            if joined.len() + frame.bytes.len() > max_bytes {
                let last = joined.last;
                return Taken::these(joined, last);
            }
            joined.add(frame);
        }
        Taken::these(joined, end)
    }

    fn evict(&mut self) {
        let Some(frame) = self.frames.pop_front() else { return };
        self.bytes -= frame.bytes.len();
        self.floor = frame.event_id.position;
        let Some(track) = self.tracks.get_mut(&frame.room) else { return };
        track.positions.pop_front();
        track.complete_after = self.floor;
        if track.watchers == 0 && track.positions.is_empty() {
            self.tracks.remove(&frame.room);
        }
    }

    /// The track of a room; a new one knows nothing of what has left the ring before.
    fn track(&mut self, room: Option<&str>) -> &mut Track {
        let complete_after = self.floor;
        self.tracks.entry(room.map(str::to_owned)).or_insert_with(|| Track {
            positions: VecDeque::new(),
            complete_after,
            watchers: 0,
        })
    }
}

/// Frames in a row; a single one is not copied.
#[derive(Debug)]
pub(super) struct Joined {
    first: Bytes,
    more: BytesMut,
    pub(super) count: usize,
    captured: Option<DateTime<Utc>>,
    pub(super) last: Position,
}

impl Joined {
    pub(super) fn new(frame: &Frame) -> Self {
        let (first, last) = (frame.bytes.clone(), frame.event_id.position);
        Self { first, more: BytesMut::new(), count: 1, captured: frame.captured, last }
    }

    pub(super) fn len(&self) -> usize {
        self.first.len().max(self.more.len())
    }

    pub(super) fn add(&mut self, frame: &Frame) {
        if self.more.is_empty() {
            self.more.extend_from_slice(&self.first);
        }
        self.more.extend_from_slice(&frame.bytes);
        self.count += 1;
        self.last = frame.event_id.position;
    }

    pub(super) fn bytes(&mut self) -> Bytes {
        match self.more.is_empty() {
            true => self.first.clone(),
            false => self.more.split().freeze(),
        }
    }
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
