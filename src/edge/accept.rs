//! The accept loop's patience, and what every socket is set to.
//!
//! poem's server calls `accept` again at once when it fails, so that a process without free descriptors burns a core:
//! here a failure waits, longer each time. A client that takes nothing is closed: the write timeout runs only while a
//! write is pending, so it costs a silent connection nothing. The kernel would hold up to 4 MiB for such a client; a
//! small send buffer keeps that in bounds.

use std::{io, pin::Pin, time::Duration};

use poem::{
    http::uri::Scheme,
    web::{LocalAddr, RemoteAddr},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;

/// The first wait after a failure, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// What every socket is set to.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long a client may take nothing before it is closed.
    pub write_timeout: Duration,
    /// What the kernel holds for a client that is slow, in bytes.
    pub send_buffer: usize,
}

/// Accepts connections for poem's server.
pub struct Acceptor {
    listener: TcpListener,
    address: LocalAddr,
    options: Options,
}

impl Acceptor {
    /// Takes a socket that listens.
    ///
    /// # Errors
    /// When the socket has no address.
    pub fn new(listener: TcpListener, options: Options) -> io::Result<Self> {
        let address = LocalAddr(listener.local_addr()?.into());
        Ok(Self { listener, address, options })
    }

    fn prepare(&self, socket: TcpStream) -> io::Result<Pin<Box<TimeoutStream<TcpStream>>>> {
        // Events are small and must not wait for one another.
        socket.set_nodelay(true)?;
        socket2::SockRef::from(&socket).set_send_buffer_size(self.options.send_buffer)?;
        let mut stream = TimeoutStream::new(socket);
        stream.set_write_timeout(Some(self.options.write_timeout));
        Ok(Box::pin(stream))
    }
}

impl poem::listener::Acceptor for Acceptor {
    type Io = Pin<Box<TimeoutStream<TcpStream>>>;

    fn local_addr(&self) -> Vec<LocalAddr> {
        vec![self.address.clone()]
    }

    async fn accept(&mut self) -> io::Result<(Self::Io, LocalAddr, RemoteAddr, Scheme)> {
        let mut pause = PAUSES.0;
        loop {
            let accepted = self.listener.accept().await;
            match accepted.and_then(|(socket, peer)| Ok((self.prepare(socket)?, peer))) {
                Ok((stream, peer)) => {
                    return Ok((stream, self.address.clone(), RemoteAddr(peer.into()), Scheme::HTTP));
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
