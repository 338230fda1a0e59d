//! Accepting connections: patience when it fails, and what every socket is set to.
//!
//! A process without free descriptors that calls `accept` again at once burns a core: here a failure waits, longer each
//! time. Thousands that connect at once would keep everyone else waiting until the last of them has its answer: they
//! are let in at a pace, and wait in the kernel's queue. One whose network has gone acknowledges nothing, not even a
//! keep-alive: the write timeout, told to the kernel, ends it. The kernel would hold up to 4 MiB for a client that
//! takes nothing; a small send buffer keeps that in bounds.

use std::{io, net::SocketAddr, time::Duration};

use socket2::TcpKeepalive;
use tokio::{
    net::{TcpListener, TcpStream},
    time::Instant,
};

use crate::metrics::METRICS;

/// The first wait after a failure, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// The shortest pause between two of the kernel's questions that it takes, and the longest.
const PROBES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(32_767));

const TICK: Duration = Duration::from_millis(1);

/// How connections come in, and what every socket is set to.
#[derive(Debug, Clone, Copy)]
pub struct Sockets {
    /// The most connections a second.
    pub accept_rate: u32,
    /// How long a client may take nothing before it is closed.
    pub write_timeout: Duration,
    /// What the kernel holds for a client that is slow, in bytes.
    pub send_buffer: usize,
}

/// Where connections come in.
pub(super) struct Door {
    listener: TcpListener,
    sockets: Sockets,
    /// When the next connection may come in.
    next: Instant,
}

impl Door {
    pub(super) fn new(listener: TcpListener, sockets: Sockets) -> Self {
        Self { listener, sockets, next: Instant::now() }
    }

    /// The next connection. Dropping the future loses none.
    pub(super) async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        // A timer is no finer than that: as many as it takes come in together.
        tokio::time::sleep_until(self.next - TICK).await;
        let mut pause = PAUSES.0;
        loop {
            let accepted = self.listener.accept().await;
            match accepted.and_then(|(socket, peer)| prepare(&socket, self.sockets).map(|()| (socket, peer))) {
                Ok(connection) => {
                    METRICS.accepted.inc();
                    self.next = self.next.max(Instant::now()) + Duration::from_secs(1) / self.sockets.accept_rate;
                    return connection;
                }
                Err(error) => {
                    METRICS.accept_errors.inc();
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSES.1);
                }
            }
        }
    }
}

fn prepare(socket: &TcpStream, sockets: Sockets) -> io::Result<()> {
    // Events are small and must not wait for one another.
    socket.set_nodelay(true)?;
    let settings = socket2::SockRef::from(socket);
    settings.set_send_buffer_size(sockets.send_buffer)?;
    // Of one that nothing is written to, the network's end is noticed only if the kernel asks: as often as a client
    // that is written to may be silent.
    let pause = sockets.write_timeout.clamp(PROBES.0, PROBES.1);
    let probes = TcpKeepalive::new().with_time(pause).with_interval(pause);
    settings.set_tcp_keepalive(&probes)?;
    // The kernel goes on for a quarter of an hour with a peer whose network has gone, and for ever with one that reads
    // nothing. It knows best when either began; no other system has this.
    #[cfg(target_os = "linux")]
    settings.set_tcp_user_timeout(Some(sockets.write_timeout))?;
    Ok(())
}
