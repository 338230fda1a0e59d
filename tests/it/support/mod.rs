//! What the tests stand on: servers of their own, a database of its own for each test, the program as a process, and
//! clients that speak HTTP. Whatever is waited for is an event with a deadline, never a span of time.

mod bearer;
mod collector;
pub mod crowd;
mod events;
mod figures;
pub mod guests;
mod lagging;
mod link;
mod listener;
pub mod load;
mod log;
pub mod logs;
mod machine;
mod node;
pub mod presence;
pub mod raw;
pub mod record;
mod rest;
mod servers;
pub mod socket;
pub mod sockets;
pub mod stage;
pub mod tokens;
mod upstream;
pub mod visitor;
pub mod visits;
mod world;
pub mod writers;

pub use collector::Collector;
pub use events::{Event, Events};
pub use figures::Figures;
pub use lagging::Lagging;
pub use link::Link;
pub use listener::{CHANNELS, Heard, Listener};
pub use log::Log;
pub use machine::Machine;
pub use node::{Answer, Node};
pub use upstream::{Script, Upstream};
pub use world::World;

use std::time::Duration;

/// Longer than anything here takes on a busy machine: a test that waits so long has failed.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Waits for something that must happen soon.
#[track_caller]
pub fn soon<F: Future>(what: &'static str, future: F) -> impl Future<Output = F::Output> {
    let place = std::panic::Location::caller();
    async move {
        let done = tokio::time::timeout(DEADLINE, future).await;
        done.unwrap_or_else(|_| panic!("{what}: not within {DEADLINE:?}, at {place}"))
    }
}

/// Waits until a condition holds; it is looked at again and again.
#[track_caller]
pub fn until(what: &'static str, mut holds: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    soon(what, async move {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
}

/// Sends a signal to a process, by name.
pub fn signal(process: i32, signal: &str) {
    let done = std::process::Command::new("kill").args(["-s", signal, &process.to_string()]).status().unwrap();
    assert!(done.success());
}

/// A sender.
pub const SENDER: &str = "0c544734-1888-5ee1-94a9-a8334a166413";

/// The path of a room's stream and of nothing else, to keep tests short.
pub fn message(content: &str) -> serde_json::Value {
    serde_json::json!({ "content": content, "sender_id": SENDER })
}

/// A message in a room.
pub fn message_in(room: &str, content: &str) -> serde_json::Value {
    serde_json::json!({ "content": content, "sender_id": SENDER, "room": room })
}
