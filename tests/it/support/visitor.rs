//! One guest at work: it comes to some node, is there, and comes back when its connection has ended.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use fastrand::Rng;
use reqwest::Client;
use tokio::{sync::watch, time::Instant};

use super::{Events, crowd::Addresses, presence::View, visits::Visit};

/// When somebody comes back.
const RETRY: Duration = Duration::from_millis(200);

/// Those who wander are away for as long as this, at most: some are told to be gone, and some are not.
const AWAY: Duration = Duration::from_millis(1500);

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
    pub addresses: Addresses,
    pub orders: watch::Receiver<Order>,
    /// It comes and goes.
    pub restless: bool,
    /// Where it goes first.
    pub number: usize,
    pub seen: Arc<Mutex<Seen>>,
    pub rng: Rng,
    pub http: Client,
}

impl Visitor {
    /// Comes, and comes back.
    pub async fn live(mut self, socket: bool) {
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

    /// What it has seen.
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
    /// A connection begins.
    pub fn begin(&mut self) {
        self.visits.push(Visit::default());
    }

    /// The connection that has begun last.
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
