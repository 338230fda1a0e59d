//! The crowd: a process with thousands of subscribers, one thread and one epoll. It reads as fast as it can, counts
//! events, and for a few of the subscribers the time that each event took.

use std::{
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant},
};

use memchr::memmem;
use mio::{Events, Interest, Poll, Token, Waker, net::TcpStream};
use serde::{Deserialize, Serialize};

use super::{
    connect, now, orders, say,
    text::{Reading, Text},
};

/// What precedes the instant at which an event was made, in nanoseconds.
pub const STAMP: &str = "t=";

/// The digits of such an instant.
pub const DIGITS: usize = 19;

/// About how many of the subscribers look at the time.
const SAMPLED: usize = 200;

/// The pause after all that had come was read.
const NAP: Duration = Duration::from_millis(1);

const MAIL: Token = Token(usize::MAX);

/// How many subscribers, and what they ask for.
#[derive(Clone, Serialize, Deserialize)]
pub struct Plan {
    pub address: SocketAddr,
    pub count: usize,
    /// Connections on their way at the same time.
    pub connecting: usize,
    /// Requests in turn: each subscriber has one of these paths.
    pub paths: Vec<String>,
    /// Further lines of the request's head.
    pub headers: String,
    /// Once all are there it looks every millisecond for what has come, rather than be roused. To rouse a process on
    /// another processor costs whoever writes to it up to a quarter of the write, the more often the slower it writes;
    /// on a network no server has to do it.
    pub naps: bool,
    /// They read sessions, and look at every byte.
    pub reads: bool,
}

/// What the parent may ask.
#[derive(Serialize, Deserialize)]
pub enum Order {
    /// What came since the last time.
    Count,
    /// An answer as soon as each subscriber that is not gone has had so many events since the last count.
    Await(usize),
    /// What each of them has read since the beginning; those that are gone have read nothing.
    Texts,
}

/// What came.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Counted {
    pub seconds: f64,
    pub events: u64,
    pub bytes: u64,
    /// How long events took, in microseconds, sorted.
    pub micros: Vec<u32>,
    /// How many subscribers there are.
    pub subscribers: usize,
    /// How long events took to the first of them.
    pub first: Vec<u32>,
}

struct Client {
    socket: TcpStream,
    request: Vec<u8>,
    /// The head of the answer has come.
    attached: bool,
    events: usize,
    /// The last byte was the end of a line.
    line_ended: bool,
    sampled: bool,
    first: bool,
    /// What it reads of a session.
    reading: Option<Reading>,
}

struct Crowd {
    plan: Plan,
    poll: Poll,
    clients: Vec<Option<Client>>,
    attached: usize,
    closed: usize,
    counted: Counted,
    since: Instant,
    awaited: Option<usize>,
    /// How many have had the events that are awaited, or are gone: nobody waits for those.
    arrived: usize,
}

/// Plays the role.
pub fn play(plan: Plan) {
    let poll = Poll::new().unwrap();
    let orders = orders(Arc::new(Waker::new(poll.registry(), MAIL).unwrap()));
    let mut crowd = Crowd {
        plan,
        poll,
        clients: Vec::new(),
        attached: 0,
        closed: 0,
        counted: Counted::default(),
        since: Instant::now(),
        awaited: None,
        arrived: 0,
    };
    crowd.run(&orders);
}

impl Crowd {
    fn run(&mut self, orders: &Receiver<Order>) {
        let (mut events, mut buffer) = (Events::with_capacity(1024), vec![0; 256 << 10]);
        let mut told = false;
        loop {
            while self.clients.len() < self.plan.count && self.clients.len() - self.attached < self.plan.connecting {
                self.connect();
            }
            if !told && self.attached == self.plan.count {
                told = true;
                self.since = Instant::now();
                say(&"all are there");
            }
            let naps = told && self.plan.naps;
            if naps && events.is_empty() {
                std::thread::sleep(NAP);
            }
            self.poll.poll(&mut events, naps.then_some(Duration::ZERO)).unwrap();
            for event in events.iter().filter(|event| event.token() != MAIL) {
                self.serve(event.token().0, &mut buffer);
            }
            orders.try_iter().for_each(|order| self.obey(&order));
            if self.awaited.is_some() && self.arrived == self.plan.count {
                self.awaited = None;
                self.report();
            }
        }
    }

    fn obey(&mut self, order: &Order) {
        match order {
            Order::Count => self.report(),
            Order::Texts => {
                let of = |client: &Option<Client>| client.as_ref()?.reading.as_ref().map(|reading| reading.text);
                say(&self.clients.iter().map(|client| of(client).unwrap_or_default()).collect::<Vec<Text>>());
            }
            Order::Await(events) => {
                self.awaited = Some(*events);
                let arrived = self.clients.iter().flatten().filter(|client| client.events >= *events).count();
                self.arrived = arrived + self.closed;
            }
        }
    }

    fn report(&mut self) {
        let mut counted = std::mem::take(&mut self.counted);
        counted.seconds = std::mem::replace(&mut self.since, Instant::now()).elapsed().as_secs_f64();
        counted.subscribers = self.attached - self.closed;
        counted.micros.sort_unstable();
        counted.first.sort_unstable();
        self.clients.iter_mut().flatten().for_each(|client| client.events = 0);
        say(&counted);
    }

    fn connect(&mut self) {
        let key = self.clients.len();
        let mut socket = connect(self.plan.address, key);
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut socket, Token(key), interest).unwrap();
        let path = &self.plan.paths[key % self.plan.paths.len()];
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n{}\r\n", self.plan.headers);
        let sampled = key.is_multiple_of((self.plan.count / SAMPLED).max(1));
        self.clients.push(Some(Client {
            socket,
            request: request.into(),
            attached: false,
            events: 0,
            line_ended: false,
            sampled,
            first: key == 0,
            reading: self.plan.reads.then(Reading::default),
        }));
    }

    fn serve(&mut self, key: usize, buffer: &mut [u8]) {
        let Some(client) = &mut self.clients[key] else { return };
        if !client.request.is_empty() {
            match client.socket.write(&client.request) {
                Ok(written) => drop(client.request.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock || error.kind() == ErrorKind::NotConnected => {
                    return;
                }
                Err(error) => panic!("a subscriber cannot connect: {error}"),
            }
        }
        loop {
            match client.socket.read(buffer) {
                Ok(0) => break,
                Ok(read) => {
                    self.attached += usize::from(!client.attached);
                    let before = client.events;
                    client.take(&buffer[..read], &mut self.counted);
                    if let Some(awaited) = self.awaited {
                        self.arrived += usize::from(before < awaited && client.events >= awaited);
                    }
                    // A short read has emptied the socket.
                    if read < buffer.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => break,
            }
        }
        self.closed += 1;
        self.arrived += usize::from(self.awaited.is_some_and(|awaited| client.events < awaited));
        self.clients[key] = None;
    }
}

impl Client {
    fn take(&mut self, mut bytes: &[u8], counted: &mut Counted) {
        counted.bytes += bytes.len() as u64;
        if !self.attached {
            let head = memmem::find(bytes, b"\r\n\r\n").expect("the head of an answer comes at once");
            let status = &bytes[..12];
            assert_eq!(status, b"HTTP/1.1 200", "{}", String::from_utf8_lossy(bytes));
            self.attached = true;
            bytes = &bytes[head + 4..];
        }
        if let Some(reading) = &mut self.reading {
            reading.take(bytes);
        }
        let Some((&first, &last)) = bytes.first().zip(bytes.last()) else { return };
        let across = usize::from(self.line_ended && first == b'\n');
        let ends = across + memmem::find_iter(&bytes[across..], b"\n\n").count();
        self.line_ended = last == b'\n';
        self.events += ends;
        counted.events += ends as u64;
        if self.sampled {
            let now = now();
            let micros: Vec<u32> = stamps(bytes).map(|at| (now.saturating_sub(at) / 1000) as u32).collect();
            if self.first {
                counted.first.extend(&micros);
            }
            counted.micros.extend(micros);
        }
    }
}

/// The instants that are in these events.
pub fn stamps(bytes: &[u8]) -> impl Iterator<Item = u64> {
    memmem::find_iter(bytes, STAMP).filter_map(|at| {
        let digits = bytes.get(at + STAMP.len()..at + STAMP.len() + DIGITS)?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    })
}
