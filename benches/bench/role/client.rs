//! One connection of a role that asks: a request, its answer, and the next request.

use std::{
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    time::Instant,
};

use memchr::memmem;
use mio::{Interest, Poll, Token, net::TcpStream};

pub struct Client {
    socket: TcpStream,
    request: Vec<u8>,
    /// When the last request began.
    pub since: Instant,
    answer: Vec<u8>,
}

impl Client {
    /// Connects; what `poll` says of it has the token `key`.
    pub fn connect(address: SocketAddr, poll: &Poll, key: usize) -> Self {
        let socket = std::net::TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut socket = TcpStream::from_std(socket);
        poll.registry().register(&mut socket, Token(key), Interest::READABLE).unwrap();
        Self { socket, request: Vec::new(), since: Instant::now(), answer: Vec::new() }
    }

    /// Asks. The last request has been answered, so that the system has room for this one.
    pub fn ask(&mut self, request: &[u8]) {
        self.since = Instant::now();
        self.request.clear();
        self.request.extend_from_slice(request);
        self.again();
    }

    /// Asks the same once more.
    pub fn again(&mut self) {
        self.answer.clear();
        self.socket.write_all(&self.request).unwrap();
    }

    /// Reads what is there; the status, if the answer is complete.
    pub fn answered(&mut self, buffer: &mut [u8]) -> Option<u16> {
        match self.socket.read(buffer) {
            Ok(0) => panic!("the server has closed: {}", String::from_utf8_lossy(&self.answer)),
            Ok(read) => self.answer.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) => panic!("no answer: {error}"),
        }
        let head = memmem::find(&self.answer, b"\r\n\r\n")?;
        let complete = self.answer.len() >= head + 4 + length(&self.answer[..head]);
        complete.then(|| std::str::from_utf8(&self.answer[9..12]).unwrap().parse().unwrap())
    }

    /// The answer, for whoever did not expect it.
    pub fn answer(&self) -> String {
        String::from_utf8_lossy(&self.answer).into_owned()
    }
}

/// The length of the body, as the head says.
fn length(head: &[u8]) -> usize {
    let head = std::str::from_utf8(head).unwrap();
    let lengths = head.lines().filter_map(|line| line.split_once(": "));
    let mut lengths = lengths.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths.next().expect("an answer has a length").1.parse().unwrap()
}
