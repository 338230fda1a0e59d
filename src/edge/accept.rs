//! Accepting connections: patience when it fails, and what every socket is set to.
//!
//! A process without free descriptors that calls `accept` again at once burns a core: here a failure waits, longer each
//! time. A client that takes nothing is closed: the write timeout runs only while a write is pending, so it costs a
//! silent connection nothing. The kernel would hold up to 4 MiB for such a client; a small send buffer keeps that in
//! bounds.

use std::{io, net::SocketAddr, pin::Pin, time::Duration};

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

/// A connection whose writes do not wait for ever.
pub(super) type Socket = Pin<Box<TimeoutStream<TcpStream>>>;

/// The next connection. Dropping the future loses none.
pub(super) async fn accept(listener: &TcpListener, options: Options) -> (Socket, SocketAddr) {
    let mut pause = PAUSES.0;
    loop {
        let accepted = listener.accept().await;
        match accepted.and_then(|(socket, peer)| Ok((prepare(socket, options)?, peer))) {
            Ok(connection) => return connection,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSES.1);
            }
        }
    }
}

fn prepare(socket: TcpStream, options: Options) -> io::Result<Socket> {
    // Events are small and must not wait for one another.
    socket.set_nodelay(true)?;
    socket2::SockRef::from(&socket).set_send_buffer_size(options.send_buffer)?;
    let mut stream = TimeoutStream::new(socket);
    stream.set_write_timeout(Some(options.write_timeout));
    Ok(Box::pin(stream))
}
