//! The poster: a process with some connections, one thread and one epoll. Each connection posts, waits for the answer,
//! and posts again.

use std::{
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use memchr::memmem;
use mio::{Events, Interest, Poll, Token, net::TcpStream};
use serde::{Deserialize, Serialize};

use super::say;
use crate::report::percentile;

/// What goes before is not counted: a pool opens its connections.
const WARM_UP: Duration = Duration::from_millis(500);

/// How long answers are counted.
pub const WINDOW: Duration = Duration::from_secs(4);

/// Where to, and what.
#[derive(Serialize, Deserialize)]
pub struct Plan {
    pub address: SocketAddr,
    pub connections: usize,
    /// A whole request, which is to be answered with 201.
    pub request: String,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Posted {
    pub per_second: f64,
    /// In milliseconds, from the request until its answer is complete.
    pub p50: f64,
    pub p99: f64,
}

struct Client {
    socket: TcpStream,
    since: Instant,
    answer: Vec<u8>,
}

/// Plays the role; says what came of it, and ends.
pub fn play(plan: &Plan) {
    let mut poll = Poll::new().unwrap();
    let mut clients: Vec<Client> = (0..plan.connections).map(|key| Client::connect(plan.address, &poll, key)).collect();
    clients.iter_mut().for_each(|client| client.post(&plan.request));
    let (mut events, mut buffer) = (Events::with_capacity(1024), vec![0; 64 << 10]);
    let begin = Instant::now() + WARM_UP;
    let (end, mut micros) = (begin + WINDOW, Vec::new());
    while Instant::now() < end {
        poll.poll(&mut events, Some(end.saturating_duration_since(Instant::now()))).unwrap();
        for event in &events {
            let client = &mut clients[event.token().0];
            if !client.answered(&mut buffer) {
                continue;
            }
            if Instant::now() >= begin {
                micros.push(client.since.elapsed().as_micros() as u32);
            }
            client.post(&plan.request);
        }
    }
    micros.sort_unstable();
    let millis = |thousandths| percentile(&micros, thousandths) / 1000.0;
    say(&Posted { per_second: micros.len() as f64 / WINDOW.as_secs_f64(), p50: millis(500), p99: millis(990) });
}

impl Client {
    fn connect(address: SocketAddr, poll: &Poll, key: usize) -> Self {
        let socket = std::net::TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut socket = TcpStream::from_std(socket);
        poll.registry().register(&mut socket, Token(key), Interest::READABLE).unwrap();
        Self { socket, since: Instant::now(), answer: Vec::new() }
    }

    /// Posts. The last request has been answered, so that the system has room for this one.
    fn post(&mut self, request: &str) {
        self.answer.clear();
        self.since = Instant::now();
        self.socket.write_all(request.as_bytes()).unwrap();
    }

    /// Reads what is there; whether the answer is complete.
    fn answered(&mut self, buffer: &mut [u8]) -> bool {
        match self.socket.read(buffer) {
            Ok(0) => panic!("the server has closed: {}", String::from_utf8_lossy(&self.answer)),
            Ok(read) => self.answer.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => panic!("no answer: {error}"),
        }
        let Some(head) = memmem::find(&self.answer, b"\r\n\r\n") else { return false };
        assert!(self.answer.starts_with(b"HTTP/1.1 201"), "{}", String::from_utf8_lossy(&self.answer));
        self.answer.len() >= head + 4 + length(&self.answer[..head])
    }
}

/// The length of the body, as the head says.
fn length(head: &[u8]) -> usize {
    let head = std::str::from_utf8(head).unwrap();
    let lengths = head.lines().filter_map(|line| line.split_once(": "));
    let mut lengths = lengths.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths.next().expect("an answer has a length").1.parse().unwrap()
}
