//! The roles that this program plays in processes of its own, so that each can be weighed alone: it starts itself again.

mod client;
pub mod crowd;
pub mod limit;
pub mod poster;
pub mod producer;
pub mod text;

use std::{
    io::{BufRead, stdin},
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
};

use mio::Waker;
use serde::de::DeserializeOwned;

/// The orders of the parent, one in a line of standard input; each rouses the role.
fn orders<T: DeserializeOwned + Send + 'static>(waker: Arc<Waker>) -> Receiver<T> {
    let (send, orders) = channel();
    std::thread::spawn(move || {
        for line in stdin().lock().lines() {
            let order = serde_json::from_str(&line.unwrap()).unwrap();
            send.send(order).unwrap();
            waker.wake().unwrap();
        }
        // The parent has gone.
        std::process::exit(0);
    });
    orders
}

/// Tells the parent something.
fn say(answer: &impl serde::Serialize) {
    println!("{}", serde_json::to_string(answer).unwrap());
}

/// Nanoseconds since 1970, as all processes of a machine agree on them.
pub fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64
}
