//! The board: what the readers of a session on this node share, and where each of them has a seat.
//!
//! All of it is under one lock that is held for a moment: the follower puts up what has come and takes the wakers of
//! those that wait, a reader takes what is there for it or leaves its waker. So none can miss anything in between. A
//! reader costs its seat and nothing else: its time, its silence and the end of the node are told here too, by one timer
//! for all.

use std::{
    task::{Context, Waker},
    time::Duration,
};

use bytes::Bytes;
use slab::Slab;
use tokio::time::Instant;

use super::{
    frame,
    tail::{Tail, Taken},
};
use crate::reply::ChunkId;

/// Into how many parts the readers are cut that are sent away.
pub(super) const PARTS: usize = 16;

/// What the readers of a session share.
pub(super) struct Board {
    tail: Tail,
    /// How the session ended.
    ending: Option<Bytes>,
    /// How often the log was read.
    looks: u64,
    /// How often the connections were said to live, what was said last, and since when nothing else was.
    pings: u64,
    ping: Bytes,
    quiet: Instant,
    /// When the time of the first reader is up, or somewhat earlier.
    earliest: Option<Instant>,
    seats: Slab<Seat>,
}

struct Seat {
    waker: Option<Waker>,
    until: Option<Instant>,
    part: usize,
    bye: bool,
    /// It needs what the tail has no more and Redis did not give: it tries again when Redis answers again.
    stuck: bool,
}

/// What a seat takes.
#[cfg(test)]
pub(super) const SEAT: usize = size_of::<Seat>();

/// Where a reader is.
pub(super) struct Place {
    seat: usize,
    /// The chunk that it needs next.
    pub(super) next: ChunkId,
    /// It reads a page of its own.
    pub(super) reads: bool,
    /// How often the log had been read when its last page could not be.
    pub(super) missed: Option<u64>,
    /// The last ping that it was sent or had no need of.
    pinged: u64,
}

/// What a reader does next.
pub(super) enum Turn {
    /// It writes this.
    Write(Bytes),
    /// It writes this, and is at the end.
    Over(Bytes),
    /// It reads a page of its own; if that fails, the log has been read so often.
    Behind(u64),
    /// It goes, for this reason.
    Away(&'static str),
    /// It waits until it is woken.
    Wait,
}

impl Board {
    pub(super) fn new(tail: Tail) -> Self {
        Self {
            tail,
            ending: None,
            looks: 0,
            pings: 0,
            ping: Bytes::new(),
            quiet: Instant::now(),
            earliest: None,
            seats: Slab::new(),
        }
    }

    /// How many readers there are.
    pub(super) fn readers(&self) -> usize {
        self.seats.len()
    }

    /// The number of the chunk that is to be read next.
    pub(super) fn next(&self) -> ChunkId {
        self.tail.next()
    }

    /// A seat for a reader that needs this chunk next, and has time until then.
    pub(super) fn sit(&mut self, next: ChunkId, until: Option<Instant>) -> Place {
        self.earliest = self.earliest.into_iter().chain(until).min();
        let part = fastrand::usize(..PARTS);
        let seat = self.seats.insert(Seat { waker: None, until, part, bye: false, stuck: false });
        Place { seat, next, reads: false, missed: None, pinged: self.pings }
    }

    /// The reader is gone.
    pub(super) fn leave(&mut self, place: &Place) {
        self.seats.remove(place.seat);
    }

    /// What a reader does next. It is woken when that is more than to wait.
    pub(super) fn turn(&mut self, place: &mut Place, most: usize, cx: &mut Context<'_>) -> Turn {
        let seat = &mut self.seats[place.seat];
        if seat.bye {
            return Turn::Away("bye");
        }
        if seat.until.is_some_and(|until| until <= Instant::now()) {
            return Turn::Away("expired");
        }
        seat.stuck = false;
        if !place.reads {
            match self.tail.take(place.next, most) {
                Taken::Frames(bytes, next) => {
                    (place.next, place.pinged) = (next, self.pings);
                    return Turn::Write(bytes);
                }
                Taken::Behind if place.missed != Some(self.looks) => return Turn::Behind(self.looks),
                taken => seat.stuck = taken == Taken::Behind,
            }
            if let Some(ending) = &self.ending {
                return Turn::Over(ending.clone());
            }
            if std::mem::replace(&mut place.pinged, self.pings) != self.pings {
                return Turn::Write(self.ping.clone());
            }
        }
        seat.waker = Some(cx.waker().clone());
        Turn::Wait
    }

    /// The log was read: so many chunks are there, and these come next. Whom to wake.
    #[must_use]
    pub(super) fn looked(&mut self, count: u64, frames: Vec<Bytes>) -> Vec<Waker> {
        self.looks += 1;
        self.tail.go_back(count);
        if frames.is_empty() {
            return self.wakers(|seat| seat.stuck);
        }
        self.quiet = Instant::now();
        frames.into_iter().for_each(|frame| self.tail.push(frame));
        self.wakers(|_| true)
    }

    /// The session is over. Whom to wake.
    #[must_use]
    pub(super) fn end(&mut self, ending: Bytes) -> Vec<Waker> {
        self.ending = Some(ending);
        self.wakers(|_| true)
    }

    /// Sends away the readers of a part, or all; but who only has to be told the end goes by itself. Whom to wake.
    #[must_use]
    pub(super) fn bye(&mut self, part: Option<usize>) -> Vec<Waker> {
        if self.ending.is_some() {
            return Vec::new();
        }
        let concerned = |seat: &Seat| part.is_none_or(|part| seat.part == part);
        self.seats.iter_mut().for_each(|(_, seat)| seat.bye |= concerned(seat));
        self.wakers(concerned)
    }

    /// When there is something to do if nothing comes until then.
    pub(super) fn due(&self, keep_alive: Duration) -> Instant {
        self.earliest.into_iter().fold(self.quiet + keep_alive, Instant::min)
    }

    /// Does what is due. Whom to wake.
    #[must_use]
    pub(super) fn tick(&mut self, keep_alive: Duration) -> Vec<Waker> {
        let now = Instant::now();
        let is_over = |seat: &Seat| seat.until.is_some_and(|until| until <= now);
        let quiet = self.quiet + keep_alive <= now;
        if quiet {
            (self.pings, self.ping, self.quiet) = (self.pings + 1, frame::ping(), now);
        }
        let woken = self.wakers(|seat| quiet || is_over(seat));
        if self.earliest.is_some_and(|earliest| earliest <= now) {
            let left = self.seats.iter().filter(|(_, seat)| !is_over(seat));
            self.earliest = left.filter_map(|(_, seat)| seat.until).min();
        }
        woken
    }

    fn wakers(&mut self, concerned: impl Fn(&Seat) -> bool) -> Vec<Waker> {
        let concerned = self.seats.iter_mut().filter(|(_, seat)| concerned(seat));
        concerned.filter_map(|(_, seat)| seat.waker.take()).collect()
    }
}
