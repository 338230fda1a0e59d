//! The tail: the last chunks of a session, as events, for all its readers on this node.
//!
//! It is bounded by its bytes, and the oldest go first. Who needs older ones reads them from the log; so a slow reader
//! holds nothing here, and is not cut off either.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::reply::ChunkId;

/// The last events of a session, without a hole.
pub(super) struct Tail {
    /// The number of the first that is there.
    floor: ChunkId,
    frames: VecDeque<Bytes>,
    bytes: usize,
    most: usize,
}

/// What a tail has for a reader.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Events, and the number of the chunk after them.
    Frames(Bytes, ChunkId),
    /// Nothing yet.
    Nothing,
    /// Not any more what the reader needs.
    Behind,
}

impl Tail {
    /// An empty tail of at most so many bytes, to which this chunk comes first.
    pub(super) fn new(first: ChunkId, most: usize) -> Self {
        Self { floor: first, frames: VecDeque::new(), bytes: 0, most }
    }

    /// The number of the chunk that comes next.
    pub(super) fn next(&self) -> ChunkId {
        self.floor + self.frames.len() as u64
    }

    /// Adds the next one. The last is kept however large it is.
    pub(super) fn push(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
        while self.bytes > self.most && self.frames.len() > 1 {
            self.bytes -= self.frames.pop_front().map_or(0, |frame| frame.len());
            self.floor += 1;
        }
    }

    /// No more than so many chunks are there: Redis has lost the last ones.
    pub(super) fn go_back(&mut self, count: u64) {
        while self.next() > count && !self.frames.is_empty() {
            self.bytes -= self.frames.pop_back().map_or(0, |frame| frame.len());
        }
        self.floor = self.floor.min(count);
    }

    /// What comes from this chunk on, as much as fits in so many bytes, and one at least if there is one.
    pub(super) fn take(&self, from: ChunkId, most: usize) -> Taken {
        let Some(skip) = from.checked_sub(self.floor) else { return Taken::Behind };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(self.frames.len());
        let mut bytes = 0;
        let fits = |frame: &&Bytes| {
            let first = bytes == 0;
            bytes += frame.len();
            first || bytes <= most
        };
        let frames: Vec<&Bytes> = self.frames.range(skip..).take_while(fits).collect();
        let bytes = match *frames {
            [] => return Taken::Nothing,
            [frame] => frame.clone(),
            _ => join(&frames),
        };
        Taken::Frames(bytes, from + frames.len() as u64)
    }
}

fn join(frames: &[&Bytes]) -> Bytes {
    let mut joined = BytesMut::with_capacity(frames.iter().map(|frame| frame.len()).sum());
    frames.iter().for_each(|frame| joined.extend_from_slice(frame));
    joined.freeze()
}

#[cfg(test)]
#[path = "tail_tests.rs"]
mod tests;
