//! What sockets were told of the feed, held against what the streams were told.
//!
//! From the answer to its `joinRoom` to the end of its connection a socket is told every change of its room. What was
//! captured after that answer must have been told; what came before it, only if something still older was told. What
//! comes after the last thing that was told may have been lost with the connection.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use rowcast::change::EventId;

use super::record::Known;

/// A socket in a room.
#[derive(Debug)]
pub struct Stay {
    pub room: String,
    /// When `joinRoom` was answered.
    pub since: DateTime<Utc>,
    /// It has left: what it was told last of this room.
    pub left: Option<Option<EventId>>,
}

/// A change as a socket was told it.
#[derive(Debug)]
pub struct Heard {
    pub id: EventId,
    /// As in a [`Deed`](super::record::Deed): the kind, the row, the content where the event has one.
    pub kind: &'static str,
    pub row: i64,
    pub content: Option<String>,
    pub room: Option<String>,
}

/// One connection of a socket.
#[derive(Debug, Default)]
pub struct Visit {
    pub stays: Vec<Stay>,
    pub heard: Vec<Heard>,
}

/// What is wrong with a visit.
#[derive(Debug, Default)]
pub struct Verdict {
    pub lost: usize,
    pub repeated: usize,
    pub disordered: usize,
    /// Not what the streams were told at that position, or of another room.
    pub strange: Vec<String>,
}

impl Visit {
    /// Where it is.
    pub fn at(&self) -> Option<EventId> {
        self.heard.last().map(|heard| heard.id)
    }

    /// The last that it was told of a room.
    pub fn last_of(&self, room: &str) -> Option<EventId> {
        self.heard.iter().rev().find(|heard| heard.room.as_deref() == Some(room)).map(|heard| heard.id)
    }

    /// Judges it by what the streams were told, in order.
    pub fn judge(&self, known: &[Known<'_>]) -> Verdict {
        let mut verdict = Verdict::default();
        let mut told: BTreeSet<EventId> = BTreeSet::new();
        for heard in &self.heard {
            match told.last() {
                _ if told.contains(&heard.id) => verdict.repeated += 1,
                Some(last) if *last > heard.id => verdict.disordered += 1,
                Some(last) if last.generation != heard.id.generation => {
                    verdict.strange.push(format!("from {last} to {} on one connection", heard.id));
                }
                _ => {}
            }
            told.insert(heard.id);
            verdict.strange.extend(self.strange(heard, known));
        }
        let due: BTreeSet<EventId> = self.stays.iter().flat_map(|stay| self.due(stay, known)).collect();
        verdict.lost = due.difference(&told).count();
        verdict
    }

    /// What a socket had to be told because of its stay in a room.
    fn due(&self, stay: &Stay, known: &[Known<'_>]) -> Vec<EventId> {
        let mine = |room: Option<&str>| room.is_none_or(|room| room == stay.room);
        let last = stay.left.unwrap_or_else(|| self.heard.iter().map(|heard| heard.id).max());
        let Some(last) = last else { return Vec::new() };
        let first =
            self.heard.iter().filter(|heard| heard.room.as_ref() == Some(&stay.room)).map(|heard| heard.id).min();
        let known = &known[..known.partition_point(|known| known.id <= last)];
        let due = known.iter().filter(|known| known.id.generation == last.generation && mine(known.room));
        due.filter(|known| first.is_some_and(|first| known.id >= first) || known.at > stay.since)
            .map(|known| known.id)
            .collect()
    }

    fn strange(&self, heard: &Heard, known: &[Known<'_>]) -> Option<String> {
        let place = known.binary_search_by_key(&heard.id, |known| known.id);
        let Ok(place) = place else { return Some(format!("{heard:?} was told to no stream")) };
        let Known { room, deed, .. } = known[place];
        let content = heard.content.as_ref().is_none_or(|content| *content == deed.3);
        let same = heard.kind == deed.1 && heard.row == deed.2 && content && heard.room.as_deref() == room;
        if !same {
            return Some(format!("{heard:?} is {deed:?} in {room:?}"));
        }
        let stay = self.stays.iter().find(|stay| heard.room.as_ref() == Some(&stay.room));
        let left = stay.and_then(|stay| stay.left);
        let stranger = heard.room.is_some() && (stay.is_none() || left.is_some_and(|last| Some(heard.id) > last));
        stranger.then(|| format!("{heard:?} was told where the socket is not"))
    }
}

/// How many changes there were in each room.
pub fn by_room<'a>(known: &[Known<'a>]) -> HashMap<&'a str, usize> {
    let mut rooms = HashMap::new();
    for room in known.iter().filter_map(|known| known.room) {
        *rooms.entry(room).or_default() += 1;
    }
    rooms
}
