//! A client that posts many things at once over one connection: requests one behind the other, answers read after.

use std::{fmt::Write, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Requests on their way at most: their answers must fit into what the system buffers.
const PIPELINED: usize = 64;

pub struct Poster(TcpStream);

impl Poster {
    pub async fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        Self(socket)
    }

    /// Posts texts to paths; each must be answered with 2xx.
    pub async fn post(&mut self, posts: impl Iterator<Item = (String, String)>) {
        let posts: Vec<_> = posts.collect();
        for chunk in posts.chunks(PIPELINED) {
            let mut requests = String::new();
            for (path, body) in chunk {
                let length = body.len();
                write!(requests, "POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {length}\r\n\r\n{body}")
                    .unwrap();
            }
            self.0.write_all(requests.as_bytes()).await.unwrap();
            let (mut answers, mut buffer) = (Vec::new(), vec![0; 16 << 10]);
            while memchr::memmem::find_iter(&answers, b"HTTP/1.1 2").count() < chunk.len() {
                let read = self.0.read(&mut buffer).await.unwrap();
                assert!(read > 0, "{}", String::from_utf8_lossy(&answers));
                answers.extend_from_slice(&buffer[..read]);
            }
        }
    }
}
