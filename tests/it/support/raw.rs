//! Sockets, for what no library would send.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use super::{Node, soon};

/// Asks for a stream.
pub const STREAM: &str = "GET /stream HTTP/1.1\r\nHost: here\r\n\r\n";

/// Asks whether the node lives.
pub const LIVE: &str = "GET /health/live HTTP/1.1\r\nHost: here\r\n\r\n";

/// Where a node listens.
pub fn address(node: &Node) -> &str {
    node.url.split_once("://").unwrap().1
}

/// A connection.
pub async fn connect(node: &Node) -> TcpStream {
    TcpStream::connect(address(node)).await.unwrap()
}

/// A connection on which this was sent.
pub async fn ask(node: &Node, text: impl AsRef<[u8]>) -> TcpStream {
    let mut socket = connect(node).await;
    socket.write_all(text.as_ref()).await.unwrap();
    socket
}

/// Reads until this text has come; all that has come.
pub async fn read_until(socket: &mut (impl AsyncRead + Unpin), last: &str) -> String {
    let mut read = Vec::new();
    soon("the last text", async {
        while memchr::memmem::find(&read, last.as_bytes()).is_none() {
            assert!(socket.read_buf(&mut read).await.unwrap() > 0, "{}", String::from_utf8_lossy(&read));
        }
    })
    .await;
    String::from_utf8(read).unwrap()
}

/// Reads to the end, however it ends; what came, and how long it took.
#[track_caller]
pub fn to_end(mut socket: impl AsyncRead + Unpin) -> impl Future<Output = (String, Duration)> {
    let since = Instant::now();
    let end = soon("the connection ends", async move {
        let mut read = Vec::new();
        let _ = socket.read_to_end(&mut read).await;
        read
    });
    async move { (String::from_utf8_lossy(&end.await).into_owned(), since.elapsed()) }
}

/// Sends this on a connection of its own; all that comes back until the node closes it, which it must.
pub async fn exchange(node: &Node, text: impl AsRef<[u8]>) -> String {
    let mut socket = connect(node).await;
    // A node that has closed already takes no more, which is its right.
    let _ = soon("bytes are taken", socket.write_all(text.as_ref())).await;
    to_end(socket).await.0
}
