//! Bytes as they are, to a node and from it: what no HTTP client would send, and all that comes back.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Node, soon};

/// A connection.
pub struct Raw(pub TcpStream);

impl Raw {
    pub async fn connect(node: &Node) -> Self {
        Self(TcpStream::connect(node.url.strip_prefix("http://").unwrap()).await.unwrap())
    }

    /// Sends these bytes. A node that has closed already takes none, which is its right.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = soon("bytes are taken", self.0.write_all(bytes.as_ref())).await;
    }

    /// All that comes until the node closes the connection, which it must.
    pub async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        // A reset is an end too: it comes where the node has closed with something unread.
        let _ = soon("the connection is closed", self.0.read_to_end(&mut bytes)).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// All that comes until this text has.
    pub async fn until(&mut self, last: &str) -> String {
        let mut bytes = Vec::new();
        let whole = async {
            while memchr::memmem::find(&bytes, last.as_bytes()).is_none() {
                assert!(self.0.read_buf(&mut bytes).await.unwrap() > 0, "{}", String::from_utf8_lossy(&bytes));
            }
        };
        soon("the text comes", whole).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Sends these bytes on a connection of their own; all that comes back until the node closes it.
pub async fn exchange(node: &Node, bytes: impl AsRef<[u8]>) -> String {
    let mut raw = Raw::connect(node).await;
    raw.send(bytes).await;
    raw.rest().await
}
