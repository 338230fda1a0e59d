//! Where sessions are read: nodes as a library, a producer, and readers that check what they are told.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use redis::aio::MultiplexedConnection;
use rowcast::{
    config::{Links, Settings},
    redis::{Redis, bells::Bells},
    reply::{Batch, Cursor, Opening, Session},
    session::{Followed, Found, Full, Options, Sessions},
    store::Store,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::support::{Machine, SENDER, World, soon};

pub const TOKEN: &str = "the producer's";

/// A world with nodes in it.
pub struct Hall {
    pub world: World,
    pub nodes: Vec<Sessions>,
    redis_url: String,
    _own: Option<(Machine, TempDir)>,
    stop: CancellationToken,
    _stop: DropGuard,
}

/// As they are by default, but for this.
pub fn options(change: impl FnOnce(&mut Options)) -> Options {
    let mut options = Settings::defaults().unwrap().sessions();
    change(&mut options);
    options
}

impl Hall {
    /// Two nodes.
    pub async fn new() -> Self {
        Self::with(options(|_| {})).await
    }

    /// Two nodes that behave like this.
    pub async fn with(options: Options) -> Self {
        let world = World::migrated().await;
        let redis_url = world.redis_url.clone();
        Self::start(world, redis_url, None, options)
    }

    /// Two nodes, and a Redis that is nobody else's.
    pub async fn with_own_redis(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (world, machine) = tokio::join!(World::migrated(), Machine::redis(dir.path()));
        Self::start(world, machine.url().to_owned(), Some((machine, dir)), options)
    }

    fn start(world: World, redis_url: String, own: Option<(Machine, TempDir)>, options: Options) -> Self {
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(beat(redis_url.clone(), world.prefix.clone())));
        let mut hall = Self {
            nodes: Vec::new(),
            world,
            redis_url,
            _own: own,
            stop: stop.clone(),
            _stop: stop.clone().drop_guard(),
        };
        for _ in 0..2 {
            let node = hall.node(&hall.world.database_url, options.clone());
            tokio::spawn(node.clone().run(stop.clone()));
            hall.nodes.push(node);
        }
        hall
    }

    /// Another node, which has yet to be run.
    pub fn node(&self, database_url: &str, options: Options) -> Sessions {
        let links = Links::to(database_url, &self.redis_url).unwrap();
        let store = Store::new(Settings::defaults().unwrap().store(&links));
        let redis = Redis::new(&self.redis_url, &self.world.prefix).unwrap();
        let bells = Bells::new(redis.clone());
        tokio::spawn(bells.clone().run(self.stop.clone()));
        Sessions::new(&redis, bells, store, options)
    }

    /// Opens a session, whose producer is at the first node.
    pub async fn open(&self) -> Producer {
        let id = Uuid::new_v4();
        let (owner, caller, room) = ("ann".into(), "ann".into(), "lobby".into());
        let opening = Opening { id, owner, caller, sender: SENDER.parse().unwrap(), room };
        self.nodes[0].open(&opening, TOKEN, false).await.unwrap();
        Producer { sessions: self.nodes[0].clone(), id, next: 0, text: String::new() }
    }

    /// A reader at one of the nodes.
    pub async fn read(&self, node: usize, id: Uuid, cursor: Option<Cursor>) -> Reading {
        Reading::of(self.follow(node, id, cursor, None).await.unwrap())
    }

    pub async fn follow(
        &self,
        node: usize,
        id: Uuid,
        cursor: Option<Cursor>,
        until: Option<Instant>,
    ) -> Result<Followed, Full> {
        let node = &self.nodes[node];
        let found = node.find(id).await.unwrap().expect("it is there");
        node.follow(found, cursor, until).await
    }

    pub async fn session(&self, id: Uuid) -> Session {
        match self.nodes[1].find(id).await.unwrap() {
            Some(Found::Known(session)) => *session,
            other => panic!("{other:?}"),
        }
    }

    pub async fn redis(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.redis_url.as_str()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// Asks Redis, whatever it says.
    pub async fn ask(&self, command: &str) -> redis::RedisResult<redis::Value> {
        let (mut redis, mut words) = (self.redis().await, command.split(' '));
        redis::cmd(words.next().unwrap()).arg(words.collect::<Vec<_>>()).query_async(&mut redis).await
    }

    /// The full name of a key or channel of a session.
    pub fn key(&self, id: Uuid, part: &str) -> String {
        format!("{}session:{{{id}}}{part}", self.world.prefix)
    }

    /// How many bells are listened to.
    pub async fn bells(&self) -> usize {
        let pattern = format!("{}session:*:bell", self.world.prefix);
        let mut redis = self.redis().await;
        let channels: Vec<String> =
            redis::cmd("PUBSUB").arg("CHANNELS").arg(pattern).query_async(&mut redis).await.unwrap();
        channels.len()
    }
}

/// The heartbeat, as a leader sends it: without it the nodes would take their connection for deaf.
async fn beat(url: String, prefix: String) {
    let client = redis::Client::open(url).unwrap();
    loop {
        if let Ok(mut redis) = client.get_multiplexed_async_connection().await {
            let beat = async || {
                redis::cmd("PUBLISH").arg(format!("{prefix}feed_heartbeat")).arg("").exec_async(&mut redis).await
            };
            let mut beat = beat;
            while beat().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        }
    }
}

/// Who writes a reply.
pub struct Producer {
    pub sessions: Sessions,
    pub id: Uuid,
    pub next: u64,
    pub text: String,
}

impl Producer {
    /// Appends a chunk, again and again until it is taken.
    pub async fn say(&mut self, chunk: &str) {
        let batch = Batch { chunks: vec![(self.next, chunk.to_owned())], ..Batch::default() };
        self.bring(&batch).await;
        self.next += 1;
        self.text.push_str(chunk);
    }

    /// Says so many chunks, which all differ.
    pub async fn say_many(&mut self, count: u64) {
        for _ in 0..count {
            self.say(&format!("chunk {} \n", self.next)).await;
        }
    }

    /// Says that no more comes.
    pub async fn finish(&self) {
        self.bring(&Batch { last: Some(self.next - 1), tokens: Some(7), ..Batch::default() }).await;
    }

    pub async fn bring(&self, batch: &Batch) {
        let taken = soon("the batch is taken", async {
            loop {
                match self.sessions.append(self.id, TOKEN, batch).await {
                    Ok(taken) => break taken,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        taken.await.unwrap();
    }
}

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub id: Option<String>,
    pub name: String,
    pub data: Value,
}

/// A stream that is read, and its chunks checked: each comes once, in order.
pub struct Reading {
    stream: BoxStream<'static, Result<Bytes, Infallible>>,
    ready: VecDeque<Told>,
    /// The `retry:` that it was told, all of them.
    pub retries: Vec<u64>,
    /// The number of the chunk that comes next, once one has come.
    pub next: Option<u64>,
    /// All chunks together.
    pub text: String,
}

impl Reading {
    pub fn of(followed: Followed) -> Self {
        let Followed::Events(stream) = followed else { panic!("it has been seen") };
        Self { stream, ready: VecDeque::new(), retries: Vec::new(), next: None, text: String::new() }
    }

    pub fn into_stream(self) -> BoxStream<'static, Result<Bytes, Infallible>> {
        self.stream
    }

    /// The next event but pings; none at the end.
    pub async fn try_next(&mut self) -> Option<Told> {
        loop {
            let told = self.any().await?;
            if told.name != "ping" {
                return Some(told);
            }
        }
    }

    /// The next event, which must come soon.
    #[track_caller]
    pub fn next(&mut self) -> impl Future<Output = Told> {
        let next = soon("an event", self.try_next());
        async move { next.await.expect("the stream goes on") }
    }

    /// The next event, be it a ping.
    pub async fn any(&mut self) -> Option<Told> {
        while self.ready.is_empty() {
            let Ok(bytes) = self.stream.next().await?;
            self.feed(&bytes);
        }
        self.ready.pop_front()
    }

    /// Takes what has come: whole events, or a `retry:`.
    pub fn feed(&mut self, bytes: &[u8]) {
        let text = std::str::from_utf8(bytes).unwrap();
        assert!(!text.contains('\r') && text.ends_with("\n\n"), "{text:?}");
        for block in text.trim_end().split("\n\n") {
            if let Some(retry) = block.strip_prefix("retry: ") {
                self.retries.push(retry.parse().unwrap());
                continue;
            }
            let (mut id, mut lines) = (None, block.split('\n').peekable());
            if let Some(line) = lines.next_if(|line| line.starts_with("id: ")) {
                id = Some(line[4..].to_owned());
            }
            let name = lines.next().unwrap().strip_prefix("event: ").unwrap().to_owned();
            let data = serde_json::from_str(lines.next().unwrap().strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(lines.next(), None, "{block:?}");
            let told = Told { id, name, data };
            self.check(&told);
            self.ready.push_back(told);
        }
    }

    fn check(&mut self, told: &Told) {
        match told.name.as_str() {
            "connected" | "ping" => assert_eq!(told.id, None),
            "chunk" => {
                let number = told.data["chunk_id"].as_u64().unwrap();
                assert_eq!(told.id, Some(number.to_string()));
                assert_eq!(number, self.next.unwrap_or(number), "each chunk once, and none is left out");
                self.next = Some(number + 1);
                self.text.push_str(told.data["chunk"].as_str().unwrap());
            }
            _ => assert_eq!(told.id.as_deref(), Some("end")),
        }
    }

    /// Reads until this chunk has come.
    #[track_caller]
    pub fn reach(&mut self, chunk: u64) -> impl Future<Output = ()> {
        soon("a chunk", async move {
            while self.next.is_none_or(|next| next <= chunk) {
                self.try_next().await.expect("the stream goes on");
            }
        })
    }

    /// Reads to the end; the last event.
    pub async fn last(&mut self) -> Told {
        let last = self.end().await;
        last.expect("an event")
    }

    /// Reads to the end; the last event if there is one.
    #[track_caller]
    pub fn end(&mut self) -> impl Future<Output = Option<Told>> {
        soon("the end of a stream", async move {
            let mut last = None;
            while let Some(told) = self.try_next().await {
                last = Some(told);
            }
            last
        })
    }

    /// Where a browser would go on.
    pub fn cursor(&self) -> Option<Cursor> {
        self.next.map(|next| Cursor::Chunk(next - 1))
    }
}
