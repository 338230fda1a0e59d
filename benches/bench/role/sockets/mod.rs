//! Sockets: a process with thousands of clients of Socket.IO, one thread and one epoll. In each room one speaks, at one
//! node, and the others listen, at another. A message has the number that it has in its room, and a listener that is not
//! told the next one ends the benchmark; in the end each must have had all of them, or be gone.

mod socket;
mod websocket;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant},
};

use mio::{Events, Poll, Token, Waker};
use serde::{Deserialize, Serialize};

use super::{orders, say};
use socket::Socket;

/// About how many of the listeners look at the time.
const SAMPLED: usize = 200;

/// The pause after all that had come was read; see `crowd`.
const NAP: Duration = Duration::from_millis(1);

/// Requests that a speaker has on their way at most. What is due beyond that is late.
const UNANSWERED: usize = 64;

/// How long listeners may take over the rest when nothing more is said.
const PATIENCE: Duration = Duration::from_secs(20);

const MAIL: Token = Token(usize::MAX);

/// How many, and where.
#[derive(Serialize, Deserialize)]
pub struct Plan {
    /// Where those are who speak, one for each room.
    pub speakers: SocketAddr,
    /// Where those are who listen.
    pub listeners: SocketAddr,
    /// How many listen, dealt out to the rooms in turn.
    pub count: usize,
    pub rooms: usize,
    /// Connections on their way at the same time.
    pub connecting: usize,
}

/// What the parent may ask.
#[derive(Serialize, Deserialize)]
pub enum Order {
    /// Speak from now on.
    Speak(Pace),
    /// What came since the last time.
    Count,
    /// Say nothing more. The answer comes when all has been heard, or nobody can wait any longer.
    Rest,
}

/// How fast messages are said.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Pace {
    /// So many a second, the rooms in turn.
    PerSecond(f64),
    /// As soon as fewer than so many messages of a room are on their way to any of its listeners.
    Ahead(u64),
}

/// What came.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Counted {
    pub seconds: f64,
    /// Messages that were answered.
    pub answered: u64,
    /// Messages, each counted for each socket that it came to.
    pub delivered: u64,
    /// From the request until it was answered, in microseconds, sorted.
    pub answers: Vec<u32>,
    /// From the request until a listener had the message.
    pub micros: Vec<u32>,
}

/// How it ended.
#[derive(Debug, Serialize, Deserialize)]
pub struct Rested {
    /// Messages that listeners who are there did not have in the end.
    pub missing: u64,
    /// Listeners who are not there any more.
    pub gone: usize,
}

/// What has come together.
pub struct Tally {
    /// How many sockets have come in.
    there: usize,
    rooms: Vec<Room>,
    counted: Counted,
}

#[derive(Default)]
struct Room {
    /// Messages that are due, that were said, and when those were that are not answered.
    due: u64,
    said: u64,
    unanswered: VecDeque<Instant>,
    /// Who listens, and how many messages they have had together.
    members: u64,
    delivered: u64,
}

struct Sockets {
    plan: Plan,
    poll: Poll,
    /// The speakers, each in the place of its room, and then the listeners.
    sockets: Vec<Option<Socket>>,
    tally: Tally,
    gone: usize,
    since: Instant,
    pace: Option<Pace>,
    /// When the next message is due, and in which room.
    due: Instant,
    turn: usize,
    /// Until when listeners may take over the rest.
    patience: Option<Instant>,
}

impl Tally {
    fn answered(&mut self, room: usize) {
        let asked = self.rooms[room].unanswered.pop_front().expect("an answer belongs to a request");
        self.counted.answers.push(asked.elapsed().as_micros() as u32);
        self.counted.answered += 1;
    }

    fn delivered(&mut self, room: usize) {
        self.rooms[room].delivered += 1;
        self.counted.delivered += 1;
    }
}

impl Room {
    /// Messages that somebody has still to be told, each counted for each of them.
    fn missing(&self) -> u64 {
        self.said * self.members - self.delivered
    }
}

/// Plays the role.
pub fn play(plan: Plan) {
    let poll = Poll::new().unwrap();
    let orders = orders(Arc::new(Waker::new(poll.registry(), MAIL).unwrap()));
    let now = Instant::now();
    let rooms = (0..plan.rooms).map(|_| Room::default()).collect();
    let mut sockets = Sockets {
        plan,
        poll,
        sockets: Vec::new(),
        tally: Tally { there: 0, rooms, counted: Counted::default() },
        gone: 0,
        since: now,
        pace: None,
        due: now,
        turn: 0,
        patience: None,
    };
    sockets.run(&orders);
}

impl Sockets {
    fn run(&mut self, orders: &Receiver<Order>) {
        let (mut events, mut buffer) = (Events::with_capacity(1024), vec![0; 256 << 10]);
        let all = self.plan.rooms + self.plan.count;
        let mut told = false;
        loop {
            while self.sockets.len() < all && self.sockets.len() - self.tally.there < self.plan.connecting {
                self.connect();
            }
            if !told && self.tally.there == all {
                told = true;
                say(&"all are there");
            }
            if told && events.is_empty() {
                std::thread::sleep(NAP);
            }
            self.poll.poll(&mut events, told.then_some(Duration::ZERO)).unwrap();
            for event in events.iter().filter(|event| event.token() != MAIL) {
                self.serve(event.token().0, &mut buffer);
            }
            orders.try_iter().for_each(|order| self.obey(&order));
            self.speak();
            self.tell_that_it_rests();
        }
    }

    fn connect(&mut self) {
        let Plan { speakers, listeners, count, rooms, .. } = self.plan;
        let key = self.sockets.len();
        let speaks = key < rooms;
        let (to, room) = if speaks { (speakers, key) } else { (listeners, (key - rooms) % rooms) };
        let sampled = !speaks && (key - rooms).is_multiple_of((count / SAMPLED).max(1));
        self.tally.rooms[room].members += u64::from(!speaks);
        self.sockets.push(Some(Socket::connect(to, &self.poll, key, (room, speaks, sampled))));
    }

    fn serve(&mut self, key: usize, buffer: &mut [u8]) {
        let Some(socket) = &mut self.sockets[key] else { return };
        if socket.serve(buffer, &mut self.tally) {
            return;
        }
        assert!(self.tally.there == self.plan.rooms + self.plan.count, "a socket was not let in");
        assert!(!socket.speaks, "a speaker was sent away");
        let room = &mut self.tally.rooms[socket.room];
        room.members -= 1;
        room.delivered -= socket.had;
        self.gone += 1;
        self.sockets[key] = None;
    }

    fn obey(&mut self, order: &Order) {
        match order {
            Order::Speak(pace) => (self.pace, self.due) = (Some(*pace), Instant::now()),
            Order::Count => {
                let mut counted = std::mem::take(&mut self.tally.counted);
                counted.seconds = std::mem::replace(&mut self.since, Instant::now()).elapsed().as_secs_f64();
                counted.answers.sort_unstable();
                counted.micros.sort_unstable();
                say(&counted);
            }
            Order::Rest => (self.pace, self.patience) = (None, Some(Instant::now() + PATIENCE)),
        }
    }

    /// Says what is due.
    fn speak(&mut self) {
        let Some(pace) = self.pace else { return };
        if let Pace::PerSecond(rate) = pace {
            while self.due <= Instant::now() {
                self.tally.rooms[self.turn].due += 1;
                self.turn = (self.turn + 1) % self.plan.rooms;
                self.due += Duration::from_secs_f64(1.0 / rate);
            }
        }
        for (room, socket) in self.tally.rooms.iter_mut().zip(&mut self.sockets) {
            let socket = socket.as_mut().expect("speakers stay");
            while room.unanswered.len() < UNANSWERED {
                match pace {
                    Pace::PerSecond(_) if room.due == 0 => break,
                    Pace::PerSecond(_) => room.due -= 1,
                    Pace::Ahead(most) if room.missing() >= most * room.members => break,
                    Pace::Ahead(_) => {}
                }
                room.said += 1;
                room.unanswered.push_back(Instant::now());
                socket.speak(room.said);
            }
        }
    }

    fn tell_that_it_rests(&mut self) {
        let Some(patience) = self.patience else { return };
        let rooms = &mut self.tally.rooms;
        let missing = rooms.iter().map(Room::missing).sum();
        let unanswered = rooms.iter().any(|room| !room.unanswered.is_empty());
        if (missing == 0 && !unanswered) || Instant::now() > patience {
            self.patience = None;
            rooms.iter_mut().for_each(|room| room.due = 0);
            say(&Rested { missing, gone: self.gone });
        }
    }
}
