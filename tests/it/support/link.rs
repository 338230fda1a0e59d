//! A wire to a server that can be cut, hushed, or led to another server: a wire belongs to one test.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// A wire, as an address that leads to the server.
pub struct Link {
    url: String,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, PartialEq)]
struct State {
    target: SocketAddr,
    up: bool,
    /// Connections stay open and carry nothing.
    hushed: bool,
    /// Counts the cuts: a connection does not outlive one.
    cuts: u32,
}

impl Link {
    /// A wire to the server that this URL names.
    pub async fn to(url: &str) -> Self {
        let target = address(url);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let near = listener.local_addr().unwrap();
        let state = watch::Sender::new(State { target, up: true, hushed: false, cuts: 0 });
        tokio::spawn(carry(listener, state.subscribe()));
        Self { url: url.replace(&target.to_string(), &near.to_string()), state }
    }

    /// The URL through the wire.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends all connections and lets none through.
    pub fn cut(&self) {
        self.state.send_modify(|state| {
            state.up = false;
            state.cuts += 1;
        });
    }

    /// Lets connections through again, and what was held back on those that are open.
    pub fn mend(&self) {
        self.state.send_modify(|state| {
            state.up = true;
            state.hushed = false;
        });
    }

    /// Ends no connection, but lets nothing through any of them.
    pub fn hush(&self) {
        self.state.send_modify(|state| state.hushed = true);
    }

    /// Leads connections to the server that this URL names, from now on.
    pub fn lead_to(&self, url: &str) {
        self.state.send_modify(|state| state.target = address(url));
    }
}

/// The address in a URL with a user.
fn address(url: &str) -> SocketAddr {
    let target = url.rsplit_once('@').expect("a URL with a user").1;
    target.split('/').next().unwrap().parse().expect("an address and a port")
}

async fn carry(listener: TcpListener, state: watch::Receiver<State>) {
    while let Ok((near, _)) = listener.accept().await {
        let (mut cut, begun) = (state.clone(), *state.borrow());
        tokio::spawn(async move {
            // A closed wire takes the connection and drops it: to the client both are a server that went away.
            if !begun.up {
                return;
            }
            let Ok(far) = TcpStream::connect(begun.target).await else { return };
            let state = cut.clone();
            tokio::select! {
                _ = both(near, far, state) => {}
                _ = cut.wait_for(|now| now.cuts != begun.cuts) => {}
            }
        });
    }
}

async fn both(near: TcpStream, far: TcpStream, state: watch::Receiver<State>) -> io::Result<()> {
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    tokio::try_join!(pump(from_near, to_far, state.clone()), pump(from_far, to_near, state))?;
    Ok(())
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut buffer).await?;
        if state.wait_for(|now| !now.hushed).await.is_err() || read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}
