//! Sessions in Redis without a node: their scripts, and the keys that these leave.

use std::{collections::BTreeMap, time::Duration};

use redis::{AsyncCommands, aio::MultiplexedConnection};
use rowcast::{
    redis::{
        Line, Redis,
        session::{Bounds, Logs, NotAppended, Opened, Step},
    },
    reply::{Batch, ChunkId, Opening, Receipt, Session},
};
use uuid::Uuid;

use super::{SENDER, World, until};

/// Bounds that a test may reach, each time with a length of its own.
pub const BOUNDS: Bounds = Bounds {
    open: 100,
    each: 0,
    chunks: 1000,
    bytes: 1000,
    window: 4,
    age: Duration::from_secs(300),
    idle: Duration::from_secs(60),
    missing: Duration::from_secs(30),
    lease: Duration::from_secs(10),
    persist: Duration::from_secs(500),
    keep_completed: Duration::from_secs(2000),
    keep_ended: Duration::from_secs(3000),
    keep_sealed: Duration::from_secs(4000),
};

/// What producers of these tests are known by.
pub const TOKEN: &str = "token";

/// A session, and what Redis holds of its world.
pub struct Log {
    pub logs: Logs,
    pub id: Uuid,
    redis: MultiplexedConnection,
    prefix: String,
}

/// Sessions of a world, within these bounds.
pub fn logs(world: &World, redis_url: &str, bounds: Bounds) -> Logs {
    let redis = Redis::new(redis_url, &world.prefix).unwrap();
    Logs::new(Line::new(redis, Duration::from_secs(20)), bounds)
}

/// How a session is opened.
pub fn opening(id: Uuid) -> Opening {
    let (owner, caller, room) = ("owner".to_owned(), "caller".to_owned(), "room".to_owned());
    Opening { id, owner, caller, sender: SENDER.parse().unwrap(), room }
}

/// Chunks, and none of them the last.
pub fn batch(chunks: &[(ChunkId, &str)]) -> Batch {
    let chunks = chunks.iter().map(|(number, text)| (*number, (*text).to_owned())).collect();
    Batch { chunks, last: None, tokens: None }
}

/// Chunks, and the number of the last of all.
pub fn final_batch(chunks: &[(ChunkId, &str)], last: ChunkId) -> Batch {
    Batch { last: Some(last), ..batch(chunks) }
}

impl Log {
    /// An open session.
    pub async fn open(world: &World, bounds: Bounds) -> Self {
        let log = Self::unopened(world, bounds).await;
        assert!(matches!(log.logs.open(&opening(log.id), TOKEN).await.unwrap(), Opened::New { .. }));
        log
    }

    /// One that is not open yet.
    pub async fn unopened(world: &World, bounds: Bounds) -> Self {
        let redis = redis::Client::open(world.redis_url.as_str()).unwrap();
        let redis = redis.get_multiplexed_async_connection().await.unwrap();
        let logs = logs(world, &world.redis_url, bounds);
        Self { logs, id: Uuid::new_v4(), redis, prefix: world.prefix.clone() }
    }

    pub async fn append(&self, batch: &Batch) -> Result<Receipt, (NotAppended, u64)> {
        self.logs.append(self.id, TOKEN, batch).await.unwrap()
    }

    /// Appends what must be taken.
    pub async fn put(&self, batch: &Batch) -> Receipt {
        self.append(batch).await.unwrap()
    }

    /// Appends what must be refused, and then has changed nothing.
    pub async fn refused(&self, batch: &Batch) -> NotAppended {
        let before = self.dump().await;
        let (why, count) = self.append(batch).await.unwrap_err();
        assert_eq!(self.dump().await, before, "{why}");
        assert_eq!(count, self.logs.look(self.id).await.unwrap().map_or(0, |session| session.count));
        why
    }

    /// What is known of it.
    pub async fn look(&self) -> Session {
        self.logs.look(self.id).await.unwrap().expect("it is known")
    }

    /// All that can be read of it.
    pub async fn texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        loop {
            let page = self.logs.read(self.id, texts.len() as u64, 100_000).await.unwrap();
            if page.texts.is_empty() {
                return texts;
            }
            texts.extend(page.texts);
        }
    }

    pub async fn reap(&self) -> Step {
        self.logs.reap(self.id, false).await.unwrap()
    }

    /// All keys of the world, without its prefix, and what they hold.
    pub async fn dump(&self) -> BTreeMap<String, Vec<u8>> {
        let mut redis = self.redis.clone();
        let mut dump = BTreeMap::new();
        let keys: Vec<String> = redis.keys(format!("{}*", self.prefix)).await.unwrap();
        for key in keys {
            let held: Option<Vec<u8>> = redis::cmd("DUMP").arg(&key).query_async(&mut redis).await.unwrap();
            dump.insert(key[self.prefix.len()..].to_owned(), held.unwrap_or_default());
        }
        dump
    }

    /// The parts of the session that are there (its hash is the empty one), and for how many seconds, rounded up to
    /// hundreds: a test may take its time.
    pub async fn parts(&self) -> BTreeMap<String, u64> {
        let (mut redis, mut parts) = (self.redis.clone(), BTreeMap::new());
        let hash = format!("session:{{{}}}", self.id);
        for part in self.dump().await.into_keys().filter_map(|key| key.strip_prefix(&hash).map(str::to_owned)) {
            let left: i64 = redis.pttl(format!("{}{hash}{part}", self.prefix)).await.unwrap();
            parts.insert(part, u64::try_from(left).expect("it is forgotten in the end").div_ceil(100_000) * 100);
        }
        parts
    }

    /// When something is to be done for it, by Redis's clock; none when nothing is.
    pub async fn due(&self) -> Option<u64> {
        self.redis.clone().zscore(format!("{}sessions", self.prefix), self.id.to_string()).await.unwrap()
    }

    /// Redis's clock, in milliseconds.
    pub async fn now(&self) -> u64 {
        let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut self.redis.clone()).await.unwrap();
        seconds * 1000 + micros / 1000
    }

    /// Waits until something is to be done for it.
    pub async fn until_due(&self) {
        let due = self.due().await.expect("something is to be done");
        until("it is due", async || self.now().await >= due).await;
    }

    /// Lets Redis lose a part of it.
    pub async fn lose(&self, part: &str) {
        let key = format!("{}session:{{{}}}{part}", self.prefix, self.id);
        let lost: u32 = self.redis.clone().del(key).await.unwrap();
        assert_eq!(lost, 1);
    }
}
