//! Refusing a connection for which there is no place.
//!
//! It must cost next to nothing, and a client should still learn what is wrong. So the answer is ready-made. It waits
//! for the request, since some libraries take an answer to nothing for a fault, and the socket lingers until the client
//! has read it: one that is closed with something unread takes back what it wrote. Only so many linger at once, for a
//! moment; the others are just closed, and so are those of TLS, whose handshake would cost more than the request.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

use crate::metrics::{METRICS, Why};

/// The most that are being told at once; each has a descriptor beside those of the connections.
pub(super) const TOLD: usize = 64;

/// How long one may take to ask, and to read the answer.
const LINGER: Duration = Duration::from_secs(1);

/// When a client may try again, in seconds.
const RETRY_AFTER: u32 = 5;

/// Why there is no place.
#[derive(Debug, Clone, Copy)]
pub(super) enum Full {
    /// The node has its most.
    Node,
    /// The client's address has.
    Address,
}

/// How connections are refused.
pub(super) struct Refusal {
    /// Nothing can be said without a handshake.
    silent: bool,
    told: Arc<Semaphore>,
    node: Bytes,
    address: Bytes,
}

impl Refusal {
    pub(super) fn new(silent: bool) -> Self {
        let node = [
            "503 Service Unavailable",
            "unavailable",
            "Not available now",
            "the server has all the connections it can",
        ];
        let address =
            ["429 Too Many Requests", "too-many", "Too many requests", "too many connections from this address"];
        Self { silent, told: Arc::new(Semaphore::new(TOLD)), node: canned(node), address: canned(address) }
    }

    /// Refuses a connection; does not wait for it.
    pub(super) fn refuse(&self, socket: TcpStream, full: Full) {
        let (answer, reason) = match full {
            Full::Node => (&self.node, "node"),
            Full::Address => (&self.address, "address"),
        };
        METRICS.connections_refused.get_or_create(&Why { reason }).inc();
        if self.silent {
            return;
        }
        let Ok(permit) = Arc::clone(&self.told).try_acquire_owned() else { return };
        let answer = answer.clone();
        tokio::spawn(async move {
            // Whether it listens is its own affair.
            let _ = timeout(LINGER, tell(socket, &answer)).await;
            drop(permit);
        });
    }
}

async fn tell(mut socket: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    let mut junk = [0; 1024];
    if socket.read(&mut junk).await? == 0 {
        return Ok(());
    }
    socket.write_all(answer).await?;
    socket.shutdown().await?;
    while socket.read(&mut junk).await? > 0 {}
    Ok(())
}

/// A whole answer with a problem.
fn canned([status, kind, title, detail]: [&str; 4]) -> Bytes {
    let (code, _) = status.split_once(' ').unwrap_or_default();
    let detail = format!("{detail}; try again in {RETRY_AFTER} s");
    let body =
        format!(r#"{{"type":"urn:rowcast:problem:{kind}","title":"{title}","status":{code},"detail":"{detail}"}}"#);
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\ncontent-length: {length}\r\n\
         retry-after: {RETRY_AFTER}\r\nconnection: close\r\n\r\n"
    );
    (head + &body).into()
}
