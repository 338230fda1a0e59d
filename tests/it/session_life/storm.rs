//! The storm: sessions whose texts are brought by four producers each, in disorder and more than once, and read by
//! readers that leave at any byte and come back to any node.
//!
//! Producers are honest: what is refused for the window is brought again later, from the first chunk that is missing.
//! The last chunk of each is held back until every reader has all others; so a reader's chunks are compared as well as
//! its message, although chunks may be thrown away when there is a message.

use std::{
    collections::BTreeMap,
    sync::{
        RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use fastrand::Rng;
use futures_util::future::join_all;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::reader::{Reading, Told};
use crate::support::{Events, SENDER, World};

pub const SESSIONS: usize = 2;
const PRODUCERS: usize = 4;
pub const READERS: usize = 5;
pub const CHUNKS: u64 = 200;

/// How far a chunk may be ahead: small, so that producers come up against it.
const WINDOW: u64 = 24;

/// What nodes are set to: readers fall behind the tail, and what a node has left undone is taken up soon.
pub const SETTINGS: [(&str, &str); 8] = [
    ("SESSION_WINDOW", "24"),
    ("SESSION_TAIL", "1KiB"),
    ("WRITE_BYTES", "512B"),
    ("SESSION_LEASE", "500ms"),
    ("SESSION_REAP_INTERVAL", "200ms"),
    ("SESSION_POLL", "500ms"),
    ("DRAIN", "100ms"),
    ("LOG", "error"),
];

/// Pieces of texts: all that a line, a frame, JSON, or UTF-8 might stumble over.
const PIECES: [&str; 28] = [
    "a",
    " ",
    "\n",
    "\r\n",
    "\r",
    "\n\n",
    "\t",
    "é",
    "e\u{301}",
    "\u{2028}",
    "\u{2029}",
    "🦀",
    "👩‍👩‍👧",
    "\u{feff}",
    "\u{1}",
    "\u{7f}",
    "\u{85}",
    "\u{ffff}",
    "\u{10ffff}",
    "\u{202e}",
    "\"",
    "\\",
    "\\u0000",
    "data: ",
    "id: end\n",
    "event: message_complete\n",
    "</script>",
    ":",
];

/// Sessions, and those who write and read them.
pub struct Storm {
    /// Where nodes are, or were.
    pub nodes: RwLock<Vec<String>>,
    /// The most chunks that any session has.
    pub progress: AtomicU64,
    /// How often a producer was told to send an earlier chunk first.
    pub refused: AtomicUsize,
    http: Client,
    /// The longest pause between two batches of a producer, in milliseconds.
    pace: u64,
    seed: u64,
    plays: Vec<Play>,
}

/// A session and its text.
struct Play {
    session: Value,
    chunks: Vec<String>,
    /// How many readers have all but the last chunk.
    caught_up: AtomicUsize,
}

impl Play {
    fn text(&self) -> String {
        self.chunks.concat()
    }
}

fn chunk(rng: &mut Rng) -> String {
    let pieces = if rng.u8(..40) == 0 { 600 } else { rng.usize(..12) };
    (0..pieces).map(|_| rng.choice(PIECES).unwrap()).collect()
}

impl Storm {
    /// Sessions that are open at these nodes.
    pub async fn gather(nodes: Vec<String>, pace: u64, seed: u64) -> Self {
        let (http, mut rng) = (Client::new(), Rng::with_seed(seed));
        let mut plays = Vec::new();
        for _ in 0..SESSIONS {
            let request = http.post(format!("{}/session", nodes[0])).json(&json!({ "sender_id": SENDER }));
            let session = request.send().await.unwrap().json().await.unwrap();
            let chunks = (0..CHUNKS).map(|_| chunk(&mut rng)).collect();
            plays.push(Play { session, chunks, caught_up: AtomicUsize::new(0) });
        }
        let (progress, refused) = Default::default();
        Self { nodes: RwLock::new(nodes), progress, refused, http, pace, seed, plays }
    }

    /// Lets it rage, until every reader has the end of what it reads.
    pub async fn rage(&self) {
        join_all(self.plays.iter().enumerate().map(async |(number, play)| {
            let seed = |person: usize| self.seed ^ ((number * 100 + person) as u64) << 32;
            let readers =
                join_all((0..READERS).map(|reader| Box::pin(self.read(play, Rng::with_seed(seed(50 + reader))))));
            tokio::join!(self.write(play, Rng::with_seed(seed(0))), readers);
        }))
        .await;
    }

    /// There is one row for each session, with its text, and the stream has told of each once, and of nothing else.
    pub async fn judge(&self, world: &World, stream: &mut Events, told_before: &str) {
        let mut told = BTreeMap::<String, usize>::new();
        loop {
            let event = stream.next().await;
            assert_eq!(event.kind(), "new_message");
            if event.content() == told_before {
                break;
            }
            *told.entry(event.data()["data"]["session_id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        for play in &self.plays {
            let id = play.session["id"].as_str().unwrap();
            let rows: Vec<String> = sqlx::query_scalar("select content from messages where session_id = $1::uuid")
                .bind(id)
                .fetch_all(&world.pool)
                .await
                .unwrap();
            assert_eq!(rows, [play.text()]);
            assert_eq!(told.remove(id), Some(1));
        }
        assert_eq!(told, BTreeMap::new());
    }

    /// Each chunk but the last is given to some of the producers; the last to two of them, when its time has come.
    async fn write(&self, play: &Play, mut rng: Rng) {
        let mut shares = [const { Vec::new() }; PRODUCERS];
        for chunk in 0..CHUNKS - 1 {
            let first = rng.usize(..PRODUCERS);
            (0..rng.usize(2..=PRODUCERS)).for_each(|next| shares[(first + next) % PRODUCERS].push(chunk));
        }
        let mut rngs = shares.each_ref().map(|_| rng.fork());
        join_all(shares.into_iter().zip(&mut rngs).map(|(share, rng)| self.produce(play, share, rng))).await;
        // How long that may take is how long it all may.
        while play.caught_up.load(Relaxed) < READERS {
            sleep(Duration::from_millis(5)).await;
        }
        let [one, two, ..] = &mut rngs;
        let last = [CHUNKS - 1];
        let (one_head, two_head) = tokio::join!(self.bring(play, &last, one), self.bring(play, &last, two));
        assert_eq!((one_head, two_head), (Ok(CHUNKS as i64 - 1), Ok(CHUNKS as i64 - 1)));
    }

    /// Brings a share of the chunks, in random order, and some of it again.
    async fn produce(&self, play: &Play, mut share: Vec<u64>, rng: &mut Rng) {
        let mut head = -1;
        let mut bold = true;
        while !share.is_empty() {
            rng.shuffle(&mut share);
            // Who was told where the text is holds to it; who was not tries.
            let near = |id: &u64| bold || *id as i64 <= head + WINDOW as i64;
            let batch: Vec<u64> = share.iter().copied().filter(near).take(rng.usize(1..=8)).collect();
            match self.bring(play, &batch, rng).await {
                Ok(told) => {
                    head = told;
                    // Else the answer was lost.
                    if rng.u8(..4) > 0 {
                        share.retain(|id| !batch.contains(id));
                    }
                    bold = rng.u8(..5) == 0;
                }
                Err(told) => {
                    (head, bold) = (told, false);
                    self.refused.fetch_add(1, Relaxed);
                }
            }
            sleep(Duration::from_millis(rng.u64(..=self.pace))).await;
        }
    }

    /// Brings a batch to any node, as often as it takes: the head then, or where it was refused for the window.
    async fn bring(&self, play: &Play, batch: &[u64], rng: &mut Rng) -> Result<i64, i64> {
        let chunk =
            |id: &u64| json!({ "chunk_id": id, "chunk": play.chunks[*id as usize], "is_final": *id == CHUNKS - 1 });
        let body = json!({ "chunks": batch.iter().map(chunk).collect::<Vec<_>>() });
        let token = play.session["producer_token"].as_str().unwrap();
        loop {
            let url = format!("{}{}", self.any_node(rng), play.session["chunk_url"].as_str().unwrap());
            let request = self.http.post(url).header("X-Producer-Token", token).json(&body);
            let answered = async {
                let answer = request.send().await?;
                reqwest::Result::Ok((answer.status(), answer.json::<Value>().await?))
            };
            match answered.await {
                Ok((StatusCode::OK, receipt)) => {
                    let head = receipt["head"].as_i64().unwrap();
                    self.progress.fetch_max(head.max(0) as u64, Relaxed);
                    return Ok(head);
                }
                Ok((StatusCode::CONFLICT, problem)) => {
                    assert_eq!(problem["reason"], "window", "{problem}");
                    return Err(problem["head"].as_i64().unwrap());
                }
                Ok((StatusCode::SERVICE_UNAVAILABLE, _)) | Err(_) => sleep(Duration::from_millis(20)).await,
                Ok(other) => panic!("{other:?}"),
            }
        }
    }

    /// Reads a session to its end, leaving at any byte and coming back with the last whole event's id.
    async fn read(&self, play: &Play, mut rng: Rng) {
        let (mut reading, mut caught_up) = (Reading::from_the_beginning(), false);
        loop {
            let Some(mut answer) = self.ask(play, reading.last_id.as_deref(), &mut rng).await else { continue };
            assert_eq!(answer.status(), StatusCode::OK);
            let mut patience = if rng.bool() { rng.usize(..6000) } else { usize::MAX };
            while patience > 0
                && let Ok(Some(bytes)) = answer.chunk().await
            {
                let taken = bytes.len().min(patience);
                reading.feed(&bytes[..taken]);
                patience -= taken;
                if !caught_up && reading.next >= Some(CHUNKS - 1) {
                    caught_up = true;
                    play.caught_up.fetch_add(1, Relaxed);
                }
                while let Some(told) = reading.pop() {
                    if told.id.as_deref() == Some("end") {
                        return self.ended(play, &reading, &told, answer, &mut rng).await;
                    }
                }
            }
            reading.cut();
        }
    }

    /// All that a reader was told is true, and there is nothing more.
    async fn ended(&self, play: &Play, reading: &Reading, told: &Told, mut answer: Response, rng: &mut Rng) {
        let text = play.text();
        assert_eq!((told.name.as_str(), &told.data["session_id"]), ("message_complete", &play.session["id"]));
        assert_eq!(told.data["message"]["content"], json!(text));
        let chunks = reading.next.unwrap();
        assert_eq!(reading.text, play.chunks[..chunks as usize].concat());
        assert!(chunks >= CHUNKS - 1);
        while let Ok(Some(bytes)) = answer.chunk().await {
            assert_eq!(bytes, "", "the answer ends");
        }
        loop {
            match self.ask(play, Some("end"), rng).await {
                Some(answer) if answer.status() == StatusCode::NO_CONTENT => return,
                // It was sent away, since Redis was.
                Some(answer) => assert_eq!(answer.text().await.unwrap_or_default(), "retry: 3000\n\n"),
                None => {}
            }
        }
    }

    /// Asks any node for a session's stream; none if that is not there.
    async fn ask(&self, play: &Play, last_id: Option<&str>, rng: &mut Rng) -> Option<Response> {
        sleep(Duration::from_millis(rng.u64(..30))).await;
        let mut url = format!("{}{}", self.any_node(rng), play.session["stream_url"].as_str().unwrap());
        let mut request = self.http.get(&url);
        if let Some(id) = last_id {
            url.push_str(&format!("?last_event_id={id}"));
            request = if rng.bool() { request.header("Last-Event-ID", id) } else { self.http.get(url) };
        }
        request.send().await.ok()
    }

    fn any_node(&self, rng: &mut Rng) -> String {
        rng.choice(self.nodes.read().unwrap().iter()).unwrap().clone()
    }
}
