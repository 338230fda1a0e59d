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
    Events, Node,
    crowd::Addresses,
    presence::View,
    record::Record,
    visits::{Verdict, Visit, by_room},
};

/// The rooms that the writers write to, and the one where the marks are.
const ROOMS: [&str; 3] = ["room-0", "room-1", "room-2"];
const MARKS: &str = "lobby";

/// When somebody comes back.
const RETRY: Duration = Duration::from_millis(200);

/// Those who wander are away for as long as this, at most: some are told to be gone, and some are not.
const AWAY: Duration = Duration::from_millis(1500);

/// How quickly users go: so that a test need not wait long for it.
pub const SETTINGS: [(&str, &str); 3] =
    [("PRESENCE_TTL", "3s"), ("PRESENCE_GRACE", "500ms"), ("PRESENCE_SWEEP", "200ms")];

/// After which all agree on who is there: the time to live, a beat, what a node may need to reach Redis again, and a
/// good deal for a machine that is busy.
const AGREED: Duration = Duration::from_secs(15);

/// What guests are to do.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Order {
    /// Whatever they like.
    #[default]
    Wander,
    /// Stay where they are, or go for good.
    Rest,
}

/// What one does at the end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Part {
    Stays,
    /// Leaves its first room.
    Leaves,
    /// Goes for good.
    Goes,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum End {
    /// By the other side.
    Cut,
    /// By its own will, to come back.
    Wandered,
    /// By its own will.
    Gone,
}

/// What one has seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// Where it is, or tries to be.
    pub address: String,
    /// It is in all of its rooms, since then.
    pub there: Option<Instant>,
    /// What it was told of who is there.
    pub view: View,
    /// What its connections were told of the feed, the last one at the end.
    pub visits: Vec<Visit>,
    /// Connections that the other side has ended, and those after which it was there again.
    pub cuts: usize,
    pub returns: usize,
    /// What should not be.
    pub wrong: Vec<String>,
}

/// One guest at work.
pub struct Visitor {
    pub user: String,
    pub rooms: Vec<&'static str>,
    pub part: Part,
    addresses: Addresses,
    orders: watch::Receiver<Order>,
    /// It comes and goes.
    restless: bool,
    /// Where it goes first.
    number: usize,
    seen: Arc<Mutex<Seen>>,
    rng: Rng,
    http: Client,
}

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
        let mut guests = Self { sockets: Vec::new(), streams: Vec::new(), orders, thread: None };
        let streams = sockets.div_ceil(2);
        for number in 0..sockets + streams {
            let (socket, place) = (number < sockets, if number < sockets { number } else { number - sockets });
            let part = match (socket, if socket { sockets } else { streams } - place) {
                (_, 1) => Part::Goes,
                (true, 2) => Part::Leaves,
                _ => Part::Stays,
            };
            let rooms = if socket { vec![ROOMS[place % 3], MARKS] } else { ROOMS.to_vec() };
            // Two sockets are one user, and every other stream is one of these.
            let user = if socket {
                place / 2
            } else if place % 2 == 0 {
                place
            } else {
                100 + place
            };
            let seen = Arc::<Mutex<Seen>>::default();
            let user = Uuid::from_u64_pair(1 << 12, 1 << 63 | user as u64).to_string();
            let restless = place % 3 == 0 && part == Part::Stays;
            let guest = Guest { user: user.clone(), rooms: rooms.clone(), part, restless, seen: Arc::clone(&seen) };
            if socket { &mut guests.sockets } else { &mut guests.streams }.push(guest);
            let visitor = Visitor {
                user,
                rooms,
                part,
                addresses: Arc::clone(addresses),
                orders: guests.orders.subscribe(),
                restless,
                number: place,
                seen,
                rng: Rng::with_seed(seed.wrapping_add(1000 + number as u64)),
                http: Client::new(),
            };
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
            let rooms = by_room(known);
            let (mut told, mut all) = (Told { sockets: self.sockets.len(), ..Told::default() }, Verdict::default());
            for guest in &self.sockets {
                let seen = guest.lock();
                told.told += seen.visits.iter().map(|visit| visit.heard.len()).sum::<usize>();
                told.most += guest.rooms.iter().map(|room| rooms.get(room).copied().unwrap_or_default()).sum::<usize>();
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

impl Visitor {
    async fn live(mut self, socket: bool) {
        loop {
            let end = if socket { self.socket().await } else { self.stream().await };
            self.lock().end(end);
            match end {
                Some(End::Gone) => return,
                Some(End::Wandered) if self.rng.bool() => {
                    let away = AWAY.mul_f64(self.rng.f64());
                    tokio::time::sleep(away).await;
                }
                Some(End::Wandered) => {}
                Some(End::Cut) | None => tokio::time::sleep(RETRY).await,
            }
        }
    }

    /// A node to go to: the first time one after the other, that some are at each.
    pub fn address(&mut self) -> Option<String> {
        let address = {
            let addresses = self.addresses.read().unwrap();
            if self.lock().visits.is_empty() && !addresses.is_empty() {
                Some(addresses[self.number % addresses.len()].clone())
            } else {
                self.rng.choice(addresses.iter()).cloned()
            }
        }?;
        self.lock().address.clone_from(&address);
        Some(address)
    }

    /// Whether it goes by itself, now.
    pub fn wanders(&self) -> bool {
        self.restless && *self.orders.borrow() == Order::Wander
    }

    /// After how many events it does.
    pub fn leaves_after(&mut self) -> usize {
        self.rng.usize(10..200)
    }

    /// Waits for another order.
    pub async fn ordered(&mut self) -> Order {
        match self.orders.changed().await {
            Ok(()) => *self.orders.borrow(),
            Err(_) => std::future::pending().await,
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// A stream that asks for presence; of the feed others judge.
    async fn stream(&mut self) -> Option<End> {
        let address = self.address()?;
        let rooms: String = self.rooms.iter().map(|room| format!("&room={room}")).collect();
        let url = format!("http://{address}/stream?presence=true&user_id={}{rooms}", self.user);
        let response = self.http.get(url).send().await.ok()?;
        if response.status() != 200 {
            self.lock().wrong.push(format!("a guest was answered {}", response.status()));
            return None;
        }
        let mut events = Events::new(response);
        self.lock().begin();
        let (mut heard, leaves_after) = (0, self.leaves_after());
        loop {
            tokio::select! {
                event = events.try_next() => match event {
                    Some(event) => self.lock().told(&event.text, self.rooms.len()),
                    None => return Some(End::Cut),
                },
                order = self.ordered() => if order == Order::Rest && self.part == Part::Goes {
                    return Some(End::Gone);
                },
            }
            heard += 1;
            if self.wanders() && heard >= leaves_after {
                return Some(End::Wandered);
            }
        }
    }
}

impl Seen {
    pub fn begin(&mut self) {
        self.visits.push(Visit::default());
    }

    pub fn visit(&mut self) -> &mut Visit {
        self.visits.last_mut().expect("it has begun")
    }

    /// It is in all of its rooms.
    pub fn has_come(&mut self) {
        self.there = Some(Instant::now());
        self.returns = self.cuts;
    }

    fn end(&mut self, end: Option<End>) {
        self.cuts += usize::from(end == Some(End::Cut));
        self.there = None;
        self.view.forget();
    }

    fn told(&mut self, text: &str, rooms: usize) {
        if !["presence", "user_joined", "user_left"]
            .iter()
            .any(|kind| text.starts_with(&format!("{{\"type\":\"{kind}\"")))
        {
            return;
        }
        let event: serde_json::Value = serde_json::from_str(text).expect("an event is JSON");
        let data = &event["data"];
        let room = data["room"].as_str().expect("a room");
        let user = data["user_id"].as_str().unwrap_or_default();
        match event["type"].as_str() {
            Some("user_joined") => self.view.joined(room, user),
            Some("user_left") => self.view.left(room, user),
            _ => self.view.state(room, &data["users"]),
        }
        if self.there.is_none() && self.view.len() == rooms {
            self.has_come();
        }
    }
}
