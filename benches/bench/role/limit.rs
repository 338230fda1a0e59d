//! The limit: a bare loop that writes given bytes to sockets. No HTTP but a fixed head, no database, no rooms: what the
//! machine can do at best.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use mio::{
    Events, Interest, Poll, Token, Waker,
    net::{TcpListener, TcpStream},
};
use serde::{Deserialize, Serialize};

use super::{
    crowd::{DIGITS, STAMP},
    orders, say,
};

const LISTENER: Token = Token(usize::MAX - 1);
const MAIL: Token = Token(usize::MAX);

/// Events kept for sockets that are slow, in bytes.
const KEPT: usize = 64 << 20;

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\nretry: 1000\n\n";

/// What the parent may ask.
#[derive(Serialize, Deserialize)]
pub enum Order {
    /// Write events at this rate from now on; 0 ends it. In an event, [`STAMP`] is followed by the instant. With several
    /// rooms, each event goes to every so-manieth socket only.
    Write { events_per_second: f64, rooms: usize, event: String },
    /// To write so many events to each socket now, and those that come later.
    Past { event: String, count: usize },
}

struct Client {
    socket: TcpStream,
    asked: bool,
    /// How far it has been written, in bytes since the start.
    at: usize,
    full: bool,
}

struct Limit {
    poll: Poll,
    listener: TcpListener,
    clients: Vec<Option<Client>>,
    /// All that is to be written, from `begin` on.
    log: Vec<u8>,
    begin: usize,
    /// Whoever comes is to have it from here on.
    first: Option<usize>,
    event: String,
    rooms: usize,
    /// The room whose turn it is.
    room: usize,
    interval: Duration,
    due: Option<Instant>,
}

/// Plays the role; says the port first.
pub fn play() {
    let poll = Poll::new().unwrap();
    let orders = orders::<Order>(Arc::new(Waker::new(poll.registry(), MAIL).unwrap()));
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.listen(65_535).unwrap();
    let mut listener = TcpListener::from_std(socket.into());
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).unwrap();
    say(&listener.local_addr().unwrap().port());
    let mut limit = Limit {
        poll,
        listener,
        clients: Vec::new(),
        log: Vec::new(),
        begin: 0,
        first: None,
        event: String::new(),
        rooms: 1,
        room: 0,
        interval: Duration::ZERO,
        due: None,
    };
    let mut events = Events::with_capacity(1024);
    loop {
        let patience = limit.due.map(|due| due.saturating_duration_since(Instant::now()));
        limit.poll.poll(&mut events, patience).unwrap();
        for event in &events {
            match event.token() {
                MAIL => orders.try_iter().for_each(|order| limit.obey(order)),
                LISTENER => limit.accept(),
                Token(key) => limit.serve(key),
            }
        }
        limit.write_what_is_due();
    }
}

impl Limit {
    fn end(&self) -> usize {
        self.begin + self.log.len()
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Write { events_per_second, rooms, event } => {
                self.rooms = rooms;
                self.due = (events_per_second > 0.0).then(Instant::now);
                self.interval = Duration::from_secs_f64(1.0 / events_per_second.max(0.001));
                self.event = event;
            }
            Order::Past { event, count } => {
                self.first = Some(self.end());
                (0..count).for_each(|_| self.log.extend_from_slice(event.as_bytes()));
            }
        }
    }

    fn accept(&mut self) {
        while let Ok((mut socket, _)) = self.listener.accept() {
            let key = self.clients.len();
            socket.set_nodelay(true).unwrap();
            socket2::SockRef::from(&socket).set_send_buffer_size(64 << 10).unwrap();
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut socket, Token(key), interest).unwrap();
            let at = self.first.unwrap_or(self.end());
            self.clients.push(Some(Client { socket, asked: false, at, full: false }));
        }
    }

    fn serve(&mut self, key: usize) {
        let Some(client) = &mut self.clients[key] else { return };
        match client.socket.read(&mut [0; 4096]) {
            Ok(0) => return self.clients[key] = None,
            Ok(_) if !client.asked => {
                client.asked = true;
                client.socket.write_all(HEAD).unwrap();
            }
            _ => {}
        }
        client.full = false;
        self.flush(key);
    }

    fn flush(&mut self, key: usize) {
        let end = self.end();
        let Some(client) = &mut self.clients[key] else { return };
        while client.asked && !client.full && client.at < end {
            assert!(client.at >= self.begin, "a client is too slow for the limit");
            match client.socket.write(&self.log[client.at - self.begin..]) {
                Ok(written) => client.at += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => client.full = true,
                Err(_) => return self.clients[key] = None,
            }
        }
    }

    fn write_what_is_due(&mut self) {
        let Some(mut due) = self.due else { return };
        let now = Instant::now();
        while due <= now {
            let at = self.event.find(STAMP).expect("an event has a stamp") + STAMP.len();
            let stamp = super::now().to_string();
            let event = [&self.event[..at], &stamp, &self.event[at + DIGITS..]].concat();
            match self.rooms {
                1 => self.log.extend_from_slice(event.as_bytes()),
                _ => self.write_to_room(event.as_bytes()),
            }
            due += self.interval;
        }
        if Some(due) == self.due {
            return;
        }
        self.due = Some(due);
        (0..self.clients.len()).for_each(|key| self.flush(key));
        if self.log.len() > 2 * KEPT {
            self.log.drain(..KEPT);
            self.begin += KEPT;
        }
    }

    /// Writes to the sockets of the next room; they are few, and keep up.
    fn write_to_room(&mut self, event: &[u8]) {
        for client in self.clients.iter_mut().skip(self.room).step_by(self.rooms).flatten() {
            client.socket.write_all(event).unwrap();
        }
        self.room = (self.room + 1) % self.rooms;
    }
}
