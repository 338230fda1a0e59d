//! The crowd: hundreds of subscribers that read all the time, and come back as a browser would. Each keeps count of
//! what should never happen.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, RwLock},
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use fastrand::Rng;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rowcast::change::{EventId, Position};
use tokio::{
    net::TcpSocket,
    runtime::{Builder, Runtime},
    sync::watch,
    time::Instant,
};

use super::record::Record;

/// What is read at once.
const BUFFER: usize = 16 << 10;

/// Where subscribers may connect, as a load balancer would know it: `127.0.0.1:1234`.
pub type Addresses = Arc<RwLock<Vec<String>>>;

/// What one subscriber has seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// The last event id.
    pub at: Option<EventId>,
    /// Its place in the feed has once been fixed.
    pub connected: bool,
    /// Where it is connected.
    pub address: String,
    /// Changes.
    pub changes: u64,
    /// Positions that were passed over, and have not come since.
    pub missing: BTreeSet<Position>,
    /// Changes that came again.
    pub repeated: u64,
    /// Changes that came after a later one.
    pub disordered: u64,
    /// How often it was told to read anew.
    pub resets: u32,
    /// How often it was sent away.
    pub byes: u32,
    /// When each connection was answered.
    pub connects: Vec<Instant>,
    /// Connections that ended without a `bye`.
    pub cuts: u32,
    /// The longest time from a change to its arrival while connected.
    pub slowest: Duration,
    /// These times, where they are kept.
    pub delays: Option<Vec<Duration>>,
    /// What else should not be.
    pub wrong: Vec<String>,
}

/// How subscribers come.
#[derive(Clone, Default)]
pub struct Manner {
    /// Where they left off, in an earlier life.
    pub from: Option<EventId>,
    /// One in so many goes away by itself again and again.
    pub restless: Option<usize>,
    /// What the kernel takes for each, in bytes.
    pub receive_buffer: Option<u32>,
    /// They take the processor only when nobody else needs it, as clients on other machines would.
    pub elsewhere: bool,
    /// They read only while this is true.
    pub reading: Option<watch::Receiver<bool>>,
}

/// A subscriber that reads and comes back.
struct Follower {
    addresses: Addresses,
    record: Arc<Record>,
    seen: Arc<Mutex<Seen>>,
    rng: Rng,
    manner: Manner,
    restless: bool,
    retry: Duration,
}

/// Subscribers, on a thread of their own: however much they have to read, others wait for nothing but the processor.
#[derive(Default)]
pub struct Crowd {
    /// What they were told.
    pub record: Arc<Record>,
    seen: Vec<Arc<Mutex<Seen>>>,
    thread: Option<Runtime>,
}

impl Drop for Crowd {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.shutdown_background();
        }
    }
}

impl Crowd {
    /// So many subscribers; they are connected when this returns.
    pub async fn gather(count: usize, manner: &Manner, addresses: &Addresses, record: &Arc<Record>, seed: u64) -> Self {
        let mut thread = Builder::new_multi_thread();
        if manner.elsewhere {
            thread.on_thread_start(yield_to_others);
        }
        let thread = thread.worker_threads(1).enable_all().build().unwrap();
        let mut crowd = Self { record: Arc::clone(record), seen: Vec::new(), thread: None };
        for number in 0..count {
            let seen = Arc::new(Mutex::new(Seen { at: manner.from, ..Seen::default() }));
            crowd.seen.push(Arc::clone(&seen));
            let follower = Follower {
                addresses: Arc::clone(addresses),
                record: Arc::clone(record),
                seen,
                rng: Rng::with_seed(seed.wrapping_add(number as u64)),
                restless: manner.restless.is_some_and(|nth| number % nth == 0),
                manner: manner.clone(),
                retry: Duration::from_millis(100),
            };
            thread.spawn(follower.follow());
        }
        crowd.thread = Some(thread);
        super::until("the crowd is connected", async || crowd.all(|seen| seen.connected)).await;
        crowd
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether something holds for all.
    pub fn all(&self, holds: impl Fn(&Seen) -> bool) -> bool {
        self.seen.iter().all(|seen| holds(&lock(seen)))
    }

    /// The sum of something over all.
    pub fn sum(&self, of: impl Fn(&Seen) -> usize) -> usize {
        self.seen.iter().map(|seen| of(&lock(seen))).sum()
    }

    /// The longest time from a change to its arrival, of all since the last call.
    pub fn slowest(&self) -> Duration {
        self.seen.iter().map(|seen| std::mem::take(&mut lock(seen).slowest)).max().unwrap_or_default()
    }

    /// From now on, the times from a change to its arrival are kept.
    pub fn measure(&self) {
        self.seen.iter().for_each(|seen| lock(seen).delays = Some(Vec::new()));
    }

    /// The 99th percentile of the times kept; none are kept any more.
    pub fn p99(&self) -> Duration {
        let mut delays: Vec<Duration> =
            self.seen.iter().flat_map(|seen| lock(seen).delays.take().unwrap_or_default()).collect();
        delays.sort_unstable();
        delays.get(delays.len() * 99 / 100).copied().unwrap_or_default()
    }

    /// Looks at each of them.
    pub fn each(&self, mut look: impl FnMut(&Seen)) {
        self.seen.iter().for_each(|seen| look(&lock(seen)));
    }
}

/// Gives this thread the lowest priority.
fn yield_to_others() {
    let thread = std::fs::read_link("/proc/thread-self").unwrap();
    let id = thread.file_name().unwrap();
    let done = std::process::Command::new("renice").args(["-n", "19", "-p"]).arg(id).output().unwrap();
    assert!(done.status.success());
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap()
}

/// How a connection went.
enum Went {
    /// The server ended it.
    Over,
    /// The subscriber has left.
    Left,
}

impl Follower {
    async fn follow(mut self) {
        loop {
            if let Some(body) = self.connect().await {
                match self.read(body).await {
                    Went::Over => {}
                    Went::Left => continue,
                }
            }
            tokio::time::sleep(self.retry).await;
        }
    }

    async fn connect(&mut self) -> Option<Incoming> {
        let address = {
            let addresses = self.addresses.read().unwrap();
            self.rng.choice(addresses.iter()).cloned()
        }?;
        let last = lock(&self.seen).at;
        let socket = TcpSocket::new_v4().ok()?;
        if let Some(bytes) = self.manner.receive_buffer {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let socket = socket.connect(address.parse().unwrap()).await.ok()?;
        let handshake = http1::Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(socket));
        let (mut sender, connection) = handshake.await.ok()?;
        tokio::spawn(connection);
        let mut request = Request::get("/stream").header("Host", &address);
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last.to_string());
        }
        let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.ok()?;
        let mut seen = lock(&self.seen);
        if response.status() != 200 {
            seen.wrong.push(format!("/stream answered {}", response.status()));
            return None;
        }
        seen.connects.push(Instant::now());
        seen.address = address;
        Some(response.into_body())
    }

    async fn read(&mut self, mut body: Incoming) -> Went {
        let leaves_after = if self.restless { self.rng.u64(10..200) } else { u64::MAX };
        let begun = lock(&self.seen).changes;
        let (mut buffer, mut scanned) = (Vec::new(), 0);
        let byes = lock(&self.seen).byes;
        loop {
            if let Some(reading) = &mut self.manner.reading {
                let _ = reading.wait_for(|reading| *reading).await;
            }
            let Some(Ok(frame)) = body.frame().await else { break };
            let Ok(data) = frame.into_data() else { continue };
            buffer.extend_from_slice(&data);
            let mut from = 0;
            while let Some(end) = memchr::memmem::find(&buffer[scanned..], b"\n\n") {
                let end = scanned + end;
                self.event(std::str::from_utf8(&buffer[from..end]).expect("UTF-8"));
                (from, scanned) = (end + 2, end + 2);
            }
            buffer.drain(..from);
            scanned = buffer.len().saturating_sub(1);
            if lock(&self.seen).changes - begun >= leaves_after {
                return Went::Left;
            }
        }
        let mut seen = lock(&self.seen);
        seen.cuts += u32::from(seen.byes == byes);
        Went::Over
    }

    fn event(&mut self, text: &str) {
        let (mut id, mut data) = (None, None);
        for line in text.split('\n') {
            match line.split_once(": ") {
                Some(("id", value)) => id = Some(value.parse().expect("an event id")),
                Some(("data", value)) => data = Some(value),
                Some(("retry", value)) => self.retry = Duration::from_millis(value.parse().expect("milliseconds")),
                _ => assert!(line == ":", "no field of an event: {line}"),
            }
        }
        let Some(data) = data else { return };
        let mut seen = lock(&self.seen);
        if data.starts_with("{\"type\":\"connected\"") {
            seen.connected(id, data.contains("\"resumed\":true"));
        } else if data.starts_with("{\"type\":\"reset\"") {
            seen.resets += 1;
            seen.at = id;
        } else if data.starts_with("{\"type\":\"bye\"") {
            seen.byes += 1;
        } else {
            let id = id.expect("a change has an id");
            if !self.record.note(id, data) {
                seen.wrong.push(format!("{id} means two things: {data}"));
            }
            seen.change(id, data);
        }
    }
}

impl Seen {
    /// Without an id, a reset follows.
    fn connected(&mut self, id: Option<EventId>, resumed: bool) {
        match self.at {
            Some(at) if resumed && id != Some(at) => {
                self.wrong.push(format!("asked to go on after {at}, was put at {id:?}"));
            }
            None if resumed => self.wrong.push("resumed without having been there".to_owned()),
            _ => {}
        }
        self.connected = true;
        self.at = id.or(self.at);
    }

    fn change(&mut self, id: EventId, text: &str) {
        self.changes += 1;
        let at = self.at.expect("connected comes first");
        if id.generation != at.generation {
            self.wrong.push(format!("from {at} to {id} without a reset"));
        } else if id.position > at.position {
            self.missing.extend(at.position + 1..id.position);
        } else {
            // It is late, if it was missing, or else told before.
            let late = self.missing.remove(&id.position);
            self.disordered += u64::from(late);
            self.repeated += u64::from(!late);
            return;
        }
        self.at = Some(id);
        // A transaction of several statements is captured long before it is committed.
        if !text.contains("\"content\":\"post ") {
            return;
        }
        let delay = delay(text);
        self.slowest = self.slowest.max(delay);
        if let Some(delays) = &mut self.delays {
            delays.push(delay);
        }
    }
}

/// How long ago the change was captured: the field `at` is the last one.
fn delay(text: &str) -> Duration {
    let (_, at) = text.rsplit_once("\"at\":\"").expect("a change has its time");
    let at: DateTime<Utc> = at.trim_end_matches(['"', '}']).parse().expect("a time");
    (Utc::now() - at).to_std().unwrap_or_default()
}
