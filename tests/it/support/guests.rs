//! Guests: users who are in rooms, by sockets and by streams, while a fault is played. Some of them come and go all the
//! time, some share a user; at the end one leaves, two go for good, and all others stay. Then everybody must agree on
//! who is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Display, Formatter},
    ops::AddAssign,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use fastrand::Rng;
use reqwest::Client;
use rowcast::change::EventId;
use tokio::{
    runtime::{Builder, Runtime},
    sync::watch,
    time::Instant,
};
use uuid::Uuid;

use super::{
    Node,
    crowd::Addresses,
    record::Record,
    visitor::{Order, Part, Seen, Visitor},
    visits::{Verdict, Visit, by_room},
};

/// The rooms that the writers write to, and the one where the marks are.
const ROOMS: [&str; 3] = ["room-0", "room-1", "room-2"];
const MARKS: &str = "lobby";

/// How quickly users go: so that a test need not wait long for it.
pub const SETTINGS: [(&str, &str); 3] =
    [("PRESENCE_TTL", "3s"), ("PRESENCE_GRACE", "500ms"), ("PRESENCE_SWEEP", "200ms")];

/// After which all agree on who is there: the time to live, a beat, what a node may need to reach Redis again, and a
/// good deal for a machine that is busy.
const AGREED: Duration = Duration::from_secs(15);

/// The most differences that are shown.
const MOST: usize = 5;

/// A guest, as others see it.
struct Guest {
    user: String,
    rooms: Vec<&'static str>,
    part: Part,
    restless: bool,
    seen: Arc<Mutex<Seen>>,
}

/// The guests, on a thread of their own.
#[derive(Default)]
pub struct Guests {
    sockets: Vec<Guest>,
    streams: Vec<Guest>,
    orders: watch::Sender<Order>,
    thread: Option<Runtime>,
    /// The fault must end connections of sockets.
    pub are_cut: bool,
    /// Sockets are away now and then, which is not their loss; but mostly they are there: they must have been told one
    /// in so many of all changes of their rooms.
    pub one_in: usize,
}

/// What sockets were told, all of them together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Told {
    pub sockets: usize,
    pub told: usize,
    /// What would have been told if nobody had ever been away.
    pub most: usize,
    pub cuts: usize,
    pub returns: usize,
    /// Users told to have come and gone, to sockets and streams.
    pub moves: u64,
}

impl Display for Told {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { sockets, told, most, cuts, returns, moves } = self;
        write!(f, "{sockets} sockets were told {told} of {most} changes, cut {cuts} times and back {returns} times; ")?;
        write!(f, "{moves} comings and goings were told")
    }
}

impl AddAssign for Told {
    fn add_assign(&mut self, other: Self) {
        self.sockets = self.sockets.max(other.sockets);
        self.told += other.told;
        self.most += other.most;
        self.cuts += other.cuts;
        self.returns += other.returns;
        self.moves += other.moves;
    }
}

impl Drop for Guests {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.shutdown_background();
        }
    }
}

impl Guests {
    /// So many sockets, and half as many streams; they are in their rooms when this returns.
    pub async fn gather(sockets: usize, addresses: &Addresses, seed: u64) -> Self {
        let thread = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let orders = watch::Sender::new(Order::Wander);
        let mut guests =
            Self { sockets: Vec::new(), streams: Vec::new(), orders, thread: None, are_cut: false, one_in: 4 };
        let streams = sockets.div_ceil(2);
        for number in 0..sockets + streams {
            let (socket, rng) = (number < sockets, Rng::with_seed(seed.wrapping_add(1000 + number as u64)));
            let guest = if socket { Guest::socket(number, sockets) } else { Guest::stream(number - sockets, streams) };
            let visitor = Visitor {
                user: guest.user.clone(),
                rooms: guest.rooms.clone(),
                part: guest.part,
                addresses: Arc::clone(addresses),
                orders: guests.orders.subscribe(),
                restless: guest.restless,
                number,
                seen: Arc::clone(&guest.seen),
                rng,
                http: Client::new(),
            };
            if socket { &mut guests.sockets } else { &mut guests.streams }.push(guest);
            thread.spawn(visitor.live(socket));
        }
        guests.thread = Some(thread);
        super::until("the guests are there", async || guests.all().all(|guest| guest.lock().there.is_some())).await;
        guests
    }

    /// How many streams they have.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Whether those sockets that go nowhere by themselves have come to a place in the feed, or have come back later
    /// than it was there; all but those at a node that is `out` of the world.
    pub fn have(&self, at: EventId, since: Instant, out: Option<&String>) -> bool {
        self.steady().all(|guest| {
            let seen = guest.lock();
            let here = seen.there.is_some_and(|there| there > since || seen.visits.last().unwrap().at() >= Some(at));
            here || Some(&seen.address) == out
        })
    }

    /// What those have that have not, to be shown.
    pub fn stuck(&self, at: EventId) -> Vec<String> {
        let stuck = self.steady().filter(|guest| guest.lock().visits.last().and_then(Visit::at) < Some(at));
        stuck.map(|guest| format!("{} at {}", guest.user, guest.lock().address)).collect()
    }

    /// From now on all stay where they are; but those that leave do, and those that go, go.
    pub fn rest(&self) {
        self.orders.send_replace(Order::Rest);
    }

    /// Waits until all who stay are there, and the nodes and everybody who was told agree on who is where; what there is
    /// to say against it.
    pub async fn agree(&self, nodes: &[&Node]) -> Vec<String> {
        let begun = Instant::now();
        loop {
            let mut wrong = self.differ(nodes).await;
            wrong.truncate(MOST);
            if wrong.is_empty() || begun.elapsed() > AGREED {
                wrong.extend(self.all().flat_map(|guest| {
                    let mut seen = guest.lock();
                    let wrong = std::mem::take(&mut seen.view.wrong);
                    seen.wrong.extend(wrong.into_iter().map(|wrong| format!("{} was told: {wrong}", guest.user)));
                    std::mem::take(&mut seen.wrong)
                }));
                return wrong;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn differ(&self, nodes: &[&Node]) -> Vec<String> {
        let mut wrong = Vec::new();
        for guest in self.all() {
            if guest.lock().there.is_some() == (guest.part == Part::Goes) {
                wrong.push(format!("{} is not as it should be: {:?}", guest.user, guest.part));
            }
        }
        for room in ROOMS.into_iter().chain([MARKS]) {
            let there = self.there(room);
            for node in nodes {
                let listed = listed(node, room).await;
                if listed.as_ref() != Some(&there) {
                    wrong.push(format!("{} has in {room} {listed:?}, where {there:?} are", node.url));
                }
            }
            let users: BTreeSet<String> = there.into_keys().collect();
            let watchers = self.all().filter(|guest| guest.is_in(room));
            wrong.extend(watchers.filter_map(|guest| {
                let seen = guest.lock();
                let same = seen.view.is(room, &users, &guest.user);
                (!same).then(|| format!("{} knows in {room} {}, where {users:?} are", guest.user, seen.view.of(room)))
            }));
        }
        wrong
    }

    /// Who must be in a room at the end, with how many connections.
    fn there(&self, room: &str) -> BTreeMap<String, u64> {
        let mut there = BTreeMap::new();
        for guest in self.all().filter(|guest| guest.is_in(room)) {
            *there.entry(guest.user.clone()).or_default() += 1;
        }
        there
    }

    /// Holds what the sockets were told against what the streams were told.
    pub fn judge(&self, record: &Record) -> (Told, Verdict) {
        record.ordered(|known| {
            let (rooms, all_rooms) = (by_room(known), known.iter().filter(|known| known.room.is_none()).count());
            let (mut told, mut all) = (Told { sockets: self.sockets.len(), ..Told::default() }, Verdict::default());
            for guest in &self.sockets {
                let seen = guest.lock();
                told.told += seen.visits.iter().map(|visit| visit.heard.len()).sum::<usize>();
                told.most += guest.rooms.iter().map(|room| rooms.get(room).copied().unwrap_or_default()).sum::<usize>();
                told.most += all_rooms;
                told.cuts += seen.cuts;
                told.returns += seen.returns;
                for verdict in seen.visits.iter().map(|visit| visit.judge(known)) {
                    all.lost += verdict.lost;
                    all.repeated += verdict.repeated;
                    all.disordered += verdict.disordered;
                    all.strange.extend(verdict.strange);
                }
            }
            told.moves = self.all().map(|guest| guest.lock()).map(|seen| seen.view.joined + seen.view.left).sum();
            (told, all)
        })
    }

    /// Sockets that go nowhere by themselves.
    fn steady(&self) -> impl Iterator<Item = &Guest> {
        self.sockets.iter().filter(|guest| !guest.restless && guest.part != Part::Goes)
    }

    fn all(&self) -> impl Iterator<Item = &Guest> {
        self.sockets.iter().chain(&self.streams)
    }
}

impl Guest {
    /// A socket of so many: one leaves a room at the end, one goes. Two are one user.
    fn socket(number: usize, of: usize) -> Self {
        let part = match of - number {
            1 => Part::Goes,
            2 => Part::Leaves,
            _ => Part::Stays,
        };
        Self::new(number, number / 2, vec![ROOMS[number % 3], MARKS], part)
    }

    /// A stream of so many: one goes at the end. Every other one is a user that has a socket, too.
    fn stream(number: usize, of: usize) -> Self {
        let part = if of - number == 1 { Part::Goes } else { Part::Stays };
        Self::new(number, if number.is_multiple_of(2) { number } else { 100 + number }, ROOMS.to_vec(), part)
    }

    fn new(number: usize, user: usize, rooms: Vec<&'static str>, part: Part) -> Self {
        let user = Uuid::from_u64_pair(1 << 12, 1 << 63 | user as u64).to_string();
        Self { user, rooms, part, restless: number.is_multiple_of(3) && part == Part::Stays, seen: Arc::default() }
    }

    /// Whether it is in a room, at the end.
    fn is_in(&self, room: &str) -> bool {
        let left = self.part == Part::Goes || self.part == Part::Leaves && self.rooms[0] == room;
        !left && self.rooms.contains(&room)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }
}

/// Who is in a room, as a node says; nothing where it does not.
async fn listed(node: &Node, room: &str) -> Option<BTreeMap<String, u64>> {
    let page = node.get(&format!("/room/{room}/presence?limit=1000")).await.body;
    let users = page["users"].as_array()?.iter();
    let listed: Option<BTreeMap<String, u64>> =
        users.map(|user| Some((user["user_id"].as_str()?.to_owned(), user["connections"].as_u64()?))).collect();
    listed.filter(|listed| page["count"] == listed.len())
}
