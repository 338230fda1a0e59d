//! Accepting connections: patience when it fails, and what every socket is set to.
//!
//! A process without free descriptors that calls `accept` again at once burns a core: here a failure waits, longer each
//! time. Thousands that connect at once would keep everyone else waiting until the last of them has its answer: they are
//! let in at a pace, and wait in the kernel's queue. One whose network has gone acknowledges nothing, not even a
//! keep-alive: the write timeout, told to the kernel, ends it. The kernel would hold up to 4 MiB for a client that takes
//! nothing; a small send buffer keeps that in bounds.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    time::Instant,
};

/// The first wait after a failure, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

const TICK: Duration = Duration::from_millis(1);

/// How connections come in, and what every socket is set to.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The most connections a second.
    pub accept_rate: u32,
    /// How long a client may take nothing before it is closed.
    pub write_timeout: Duration,
    /// What the kernel holds for a client that is slow, in bytes.
    pub send_buffer: usize,
    /// Threads that write the streams of plain HTTP/1.1. Without any, hyper does.
    pub writers: usize,
}

/// Where connections come in.
pub(super) struct Door {
    listener: TcpListener,
    options: Options,
    /// When the next connection may come in.
    next: Instant,
}

impl Door {
    pub(super) fn new(listener: TcpListener, options: Options) -> Self {
        Self { listener, options, next: Instant::now() }
    }

    /// The next connection. Dropping the future loses none.
    pub(super) async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        // A timer is no finer than that: as many as it takes come in together.
        tokio::time::sleep_until(self.next - TICK).await;
        let mut pause = PAUSES.0;
        loop {
            let accepted = self.listener.accept().await;
            match accepted.and_then(|(socket, peer)| prepare(&socket, self.options).map(|()| (socket, peer))) {
                Ok(connection) => {
                    self.next = self.next.max(Instant::now()) + Duration::from_secs(1) / self.options.accept_rate;
                    return connection;
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSES.1);
                }
            }
        }
    }
}

fn prepare(socket: &TcpStream, options: Options) -> io::Result<()> {
    // Events are small and must not wait for one another.
    socket.set_nodelay(true)?;
    let settings = socket2::SockRef::from(socket);
    settings.set_send_buffer_size(options.send_buffer)?;
    // The kernel goes on for a quarter of an hour with a peer whose network has gone, and for ever with one that reads
    // nothing. It knows best when either began; no other system has this.
    #[cfg(target_os = "linux")]
    settings.set_tcp_user_timeout(Some(options.write_timeout))?;
    Ok(())
}
