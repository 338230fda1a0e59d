//! A client that posts many things at once over one connection: requests one behind the other, answers read after.

use std::{
    fmt::Write,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Requests on their way at most: their answers must fit into what the system buffers.
const PIPELINED: usize = 64;

/// After so long without a request the connection is made anew: servers close those on which nothing comes, the hastiest
/// of them after ten seconds.
const IDLE: Duration = Duration::from_secs(5);

/// Answers that refuse.
const REFUSED: [&[u8]; 2] = [b"HTTP/1.1 4", b"HTTP/1.1 5"];

pub struct Poster {
    socket: TcpStream,
    address: SocketAddr,
    /// Further lines of each request's head.
    headers: &'static str,
    used: Instant,
}

impl Poster {
    pub async fn connect(address: SocketAddr, headers: &'static str) -> Self {
        Self { socket: connect(address).await, address, headers, used: Instant::now() }
    }

    /// Posts texts to paths; each must be answered with 2xx.
    pub async fn post(&mut self, posts: impl Iterator<Item = (String, String)>) {
        if self.used.elapsed() > IDLE {
            self.socket = connect(self.address).await;
        }
        let posts: Vec<_> = posts.collect();
        for chunk in posts.chunks(PIPELINED) {
            let mut requests = String::new();
            for (path, body) in chunk {
                let (length, headers) = (body.len(), self.headers);
                let head = format!("POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {length}\r\n{headers}\r\n");
                write!(requests, "{head}{body}").unwrap();
            }
            self.socket.write_all(requests.as_bytes()).await.unwrap();
            let (mut answers, mut buffer) = (Vec::new(), vec![0; 16 << 10]);
            while memchr::memmem::find_iter(&answers, b"HTTP/1.1 2").count() < chunk.len() {
                let read = self.socket.read(&mut buffer).await.unwrap();
                answers.extend_from_slice(&buffer[..read]);
                let refused = REFUSED.iter().any(|answer| memchr::memmem::find(&answers, answer).is_some());
                assert!(read > 0 && !refused, "{}", String::from_utf8_lossy(&answers));
            }
        }
        self.used = Instant::now();
    }
}

async fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}
