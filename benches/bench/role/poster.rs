//! The poster: a process with some connections, one thread and one epoll. Each connection posts, waits for the answer,
//! and posts again.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use mio::{Events, Poll};
use serde::{Deserialize, Serialize};

use super::{client::Client, say};
use crate::report::percentile;

/// What goes before is not counted: a pool opens its connections.
const WARM_UP: Duration = Duration::from_millis(500);

/// How long answers are counted.
pub const WINDOW: Duration = Duration::from_secs(4);

/// Where to, and what.
#[derive(Serialize, Deserialize)]
pub struct Plan {
    pub address: SocketAddr,
    pub connections: usize,
    /// A whole request, which is to be answered with 201.
    pub request: String,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Posted {
    pub per_second: f64,
    /// In milliseconds, from the request until its answer is complete.
    pub p50: f64,
    pub p99: f64,
}

/// Plays the role; says what came of it, and ends.
pub fn play(plan: &Plan) {
    let mut poll = Poll::new().unwrap();
    let mut clients: Vec<Client> = (0..plan.connections).map(|key| Client::connect(plan.address, &poll, key)).collect();
    clients.iter_mut().for_each(|client| client.ask(plan.request.as_bytes()));
    let (mut events, mut buffer) = (Events::with_capacity(1024), vec![0; 64 << 10]);
    let begin = Instant::now() + WARM_UP;
    let (end, mut micros) = (begin + WINDOW, Vec::new());
    while Instant::now() < end {
        poll.poll(&mut events, Some(end.saturating_duration_since(Instant::now()))).unwrap();
        for event in &events {
            let client = &mut clients[event.token().0];
            let Some(status) = client.answered(&mut buffer) else { continue };
            assert_eq!(status, 201, "{}", client.answer());
            if Instant::now() >= begin {
                micros.push(client.since.elapsed().as_micros() as u32);
            }
            client.ask(plan.request.as_bytes());
        }
    }
    micros.sort_unstable();
    let millis = |thousandths| percentile(&micros, thousandths) / 1000.0;
    say(&Posted { per_second: micros.len() as f64 / WINDOW.as_secs_f64(), p50: millis(500), p99: millis(990) });
}
