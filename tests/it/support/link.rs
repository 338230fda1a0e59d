//! A wire to a server that can be cut: the server is shared by all tests, a wire belongs to one.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// A wire, as an address that leads to the server.
pub struct Link {
    url: String,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, PartialEq)]
struct State {
    up: bool,
    /// Connections stay open and carry nothing.
    hushed: bool,
    /// Counts the cuts: a connection does not outlive one.
    cuts: u32,
}

impl Link {
    /// A wire to the server that this URL names.
    pub async fn to(url: &str) -> Self {
        let target = url.rsplit_once('@').expect("a URL with a user").1;
        let target: SocketAddr = target.split('/').next().unwrap().parse().expect("an address and a port");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = watch::Sender::new(State { up: true, hushed: false, cuts: 0 });
        tokio::spawn(carry(listener, target, state.subscribe()));
        Self { url: url.replace(&target.to_string(), &address.to_string()), state }
    }

    /// The URL through the wire.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends all connections and lets none through.
    pub fn cut(&self) {
        self.state.send_modify(|state| *state = State { up: false, hushed: false, cuts: state.cuts + 1 });
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.state.send_modify(|state| state.up = true);
    }

    /// Ends no connection, but lets nothing through any of them.
    pub fn hush(&self) {
        self.state.send_modify(|state| state.hushed = true);
    }
}

async fn carry(listener: TcpListener, target: SocketAddr, state: watch::Receiver<State>) {
    while let Ok((mut near, _)) = listener.accept().await {
        let (mut cut, begun) = (state.clone(), *state.borrow());
        tokio::spawn(async move {
            // A closed wire takes the connection and drops it: to the client both are a server that went away.
            if !begun.up {
                return;
            }
            let mut far = TcpStream::connect(target).await.unwrap();
            tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => return,
                _ = cut.wait_for(|now| now.cuts != begun.cuts || now.hushed) => {}
            }
            let _ = cut.wait_for(|now| now.cuts != begun.cuts).await;
        });
    }
}
