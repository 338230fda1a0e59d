//! The contestants: each is started anew for each measurement, on the same processor, and stopped after it.

mod centrifugo;
mod http;
mod limit;
mod mercure;
mod nchan;
mod publisher;
mod pushpin;
mod rowcast;
pub mod socketio;

use std::{ffi::OsStr, net::SocketAddr, path::PathBuf, process::Command};

use futures_util::future::LocalBoxFuture;

pub use self::{
    publisher::CONTENT,
    rowcast::{Backend, Node, database, insert},
};

use crate::process::{Usage, usage};

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contestant {
    /// The bare loop.
    Limit,
    /// Ours, as it comes.
    Rowcast,
    /// Ours, streams written by the HTTP library.
    Body,
    Nchan,
    Pushpin,
    Mercure,
    Centrifugo,
}

/// Everybody that this machine has.
pub fn all() -> Vec<Contestant> {
    let there = |contestant: &Contestant| match contestant {
        Contestant::Nchan => nchan::is_there(),
        Contestant::Pushpin => pushpin::is_there(),
        Contestant::Mercure => mercure::is_there(),
        Contestant::Centrifugo => centrifugo::is_there(),
        _ => true,
    };
    use Contestant::*;
    [Limit, Rowcast, Body, Nchan, Pushpin, Mercure, Centrifugo].into_iter().filter(there).collect()
}

/// A running contestant.
pub trait Server {
    /// Where its streams are.
    fn address(&self) -> SocketAddr;
    /// How many subscribers may come at once.
    fn connecting(&self) -> usize {
        200
    }

    /// The path of the stream of a room.
    fn path(&self, room: usize) -> String;
    /// The path of everything that is published.
    fn everything(&self) -> String;
    /// The processes that serve subscribers.
    fn processes(&self) -> Vec<u32>;
    /// Publishes at this rate from now on; 0 ends it.
    fn publish(&mut self, load: Load);
    /// Publishes so many messages, and says how to ask for all that came since.
    fn past(&mut self, count: usize) -> LocalBoxFuture<'_, Past>;
    /// How often the database was read for those who came back, where it was.
    fn reads(&self) -> LocalBoxFuture<'_, Option<u64>> {
        Box::pin(async { None })
    }

    /// The address of its database, where it has one.
    fn database(&self) -> Option<&str> {
        None
    }

    /// What they have used until now.
    fn usage(&self) -> Usage {
        usage(&self.processes())
    }
}

/// How to ask for what is past.
pub struct Past {
    pub path: String,
    pub headers: String,
    /// In how many events it comes.
    pub events: usize,
}

/// What is published.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub events_per_second: f64,
    /// They are dealt out to so many rooms in turn.
    pub rooms: usize,
}

impl Load {
    pub const NONE: Self = Self { events_per_second: 0.0, rooms: 1 };
}

impl Contestant {
    pub fn name(self) -> &'static str {
        match self {
            Self::Limit => "bare loop",
            Self::Rowcast => "Rowcast",
            Self::Body => "Rowcast, `WRITERS=0`",
            Self::Nchan => "nchan",
            Self::Pushpin => "Pushpin",
            Self::Mercure => "Mercure",
            Self::Centrifugo => "Centrifugo",
        }
    }

    /// Its version and what was set.
    pub fn terms(self) -> String {
        match self {
            Self::Limit => "one thread, epoll, the same bytes as Rowcast writes".to_owned(),
            Self::Rowcast => rowcast::terms(1),
            Self::Body => rowcast::terms(0),
            Self::Nchan => nchan::terms(),
            Self::Pushpin => pushpin::terms(),
            Self::Mercure => mercure::terms(),
            Self::Centrifugo => centrifugo::terms(),
        }
    }

    /// Whether it keeps what was published, for those who come back.
    pub fn keeps(self) -> bool {
        self != Self::Pushpin
    }

    /// Starts it.
    pub async fn start(self, backend: &Backend) -> Box<dyn Server> {
        match self {
            Self::Limit => Box::new(limit::start(backend)),
            Self::Rowcast => Box::new(rowcast::start(backend, &[("WRITERS", "1")]).await),
            Self::Body => Box::new(rowcast::start(backend, &[("WRITERS", "0")]).await),
            Self::Nchan => Box::new(nchan::start().await),
            Self::Pushpin => Box::new(pushpin::start().await),
            Self::Mercure => Box::new(mercure::start().await),
            Self::Centrifugo => Box::new(centrifugo::start().await),
        }
    }
}

/// Where a program is, if it is on the path.
pub fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).chain(["/usr/sbin".into()]).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// What a program prints of its version.
pub fn version(program: impl AsRef<OsStr>, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned()
}

/// The processes that a process has started.
fn children(process: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap();
    children.split_whitespace().map(|id| id.parse().unwrap()).collect()
}

/// A free port, for programs that cannot take one themselves.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until something listens there.
async fn listens(address: SocketAddr) {
    for _ in 0..2000 {
        if tokio::net::TcpStream::connect(address).await.is_ok() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("nothing listens on {address}");
}
