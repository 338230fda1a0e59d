//! A house with rooms: nodes that know who is there, on wires to Redis that may be cut, and those who watch.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use redis::aio::MultiplexedConnection;
use rowcast::{
    presence::{Here, Options, Presence, Told, Watch, What},
    redis::{Redis, bells::Bells},
};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{DEADLINE, Link, Machine, World, soon, until};

/// Everything happens soon.
pub const HASTY: Options = Options {
    ttl: Duration::from_millis(1500),
    grace: Duration::from_millis(300),
    sweep: Duration::from_millis(50),
    listed: 1000,
    pace: Duration::from_millis(20),
    buffer: 256,
    patience: Duration::from_secs(1),
};

/// Nobody goes who does not leave at once.
pub const PATIENT: Options = Options { ttl: Duration::from_secs(600), grace: Duration::from_secs(600), ..HASTY };

/// A Redis, and what its keys begin with.
pub struct House {
    pub redis_url: String,
    pub prefix: String,
    pub redis: MultiplexedConnection,
    pub machine: Option<(Machine, TempDir)>,
}

/// A node.
pub struct Node {
    pub presence: Presence,
    pub link: Link,
    stop: CancellationToken,
    run: JoinHandle<()>,
    bells: JoinHandle<()>,
}

impl House {
    pub async fn new() -> Self {
        let World { redis_url, prefix, .. } = World::new().await;
        Self::of(redis_url, prefix, None).await
    }

    /// With a Redis that is nobody else's.
    pub async fn with_own_redis() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let machine = Machine::redis(dir.path()).await;
        Self::of(machine.url().to_owned(), "p:".to_owned(), Some((machine, dir))).await
    }

    async fn of(redis_url: String, prefix: String, machine: Option<(Machine, TempDir)>) -> Self {
        let redis = connection(&redis_url).await;
        Self { redis_url, prefix, redis, machine }
    }

    pub async fn node(&self, options: Options) -> Node {
        let link = Link::to(&self.redis_url).await;
        let redis = Redis::new(link.url(), &self.prefix).unwrap();
        let (bells, stop) = (Bells::new(redis.clone()), CancellationToken::new());
        let presence = Presence::new(&redis, bells.clone(), options);
        let run = tokio::spawn(presence.clone().run(stop.clone()));
        Node { presence, link, stop: stop.clone(), run, bells: tokio::spawn(bells.run(stop)) }
    }

    /// So many nodes.
    pub async fn nodes<const N: usize>(&self, options: Options) -> [Node; N] {
        let mut nodes = Vec::new();
        for _ in 0..N {
            nodes.push(self.node(options.clone()).await);
        }
        nodes.try_into().ok().unwrap()
    }

    /// The keys that are there, without the prefix.
    pub async fn keys(&self) -> BTreeSet<String> {
        let all = format!("{}presence*", self.prefix);
        let keys: Vec<String> = redis::cmd("KEYS").arg(all).query_async(&mut self.redis.clone()).await.unwrap();
        keys.into_iter().map(|key| key.strip_prefix(&self.prefix).unwrap().to_owned()).collect()
    }
}

impl House {
    /// Asks Redis, whatever it says.
    pub async fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        redis::cmd(words[0]).arg(&words[1..]).query_async(&mut self.redis.clone()).await.unwrap()
    }

    /// Waits until everybody's time is over in a room, and Redis has not been reached for long.
    pub async fn forgotten(&self, room: &str) {
        self.forgotten_but(room, 0).await;
        let era = format!("{}presence:era", self.prefix);
        until("the era is over", async || self.ask::<u64>(&["EXISTS", &era]).await == 0).await;
    }

    /// Waits until the time of all but so many connections is over in a room.
    pub async fn forgotten_but(&self, room: &str, count: u64) {
        let key = format!("{}presence:{{{room}}}", self.prefix);
        until("their time is over", async || {
            let (seconds, micros): (u64, u64) = self.ask(&["TIME"]).await;
            let now = (seconds * 1000 + micros / 1000).to_string();
            self.ask::<u64>(&["ZCOUNT", &key, &format!("({now}"), "+inf"]).await == count
        })
        .await;
    }
}

async fn connection(url: &str) -> MultiplexedConnection {
    // The machine may be busy.
    let config =
        redis::AsyncConnectionConfig::new().set_connection_timeout(Some(DEADLINE)).set_response_timeout(Some(DEADLINE));
    redis::Client::open(url).unwrap().get_multiplexed_async_connection_with_config(&config).await.unwrap()
}

impl Node {
    pub fn watch(&self, room: &str) -> Watcher {
        Watcher::of(self.presence.watch(room))
    }

    /// A user comes, and a watcher is told so.
    pub async fn seen(&self, room: &str, user: &str, watcher: &mut Watcher) -> Here {
        let here = self.presence.enter(room, user);
        watcher.is_told(joined(user, watcher.count + 1)).await;
        here
    }

    /// It dies without a word.
    pub async fn die(mut self) {
        self.run.abort();
        self.bells.abort();
        // It does nothing more.
        let _ = tokio::join!(&mut self.run, &mut self.bells);
    }

    /// It stops in good order.
    pub async fn stop(mut self) {
        self.stop.cancel();
        soon("it stops", &mut self.run).await.unwrap();
    }

    /// Waits until Redis knows all.
    pub async fn told(&self) {
        until("Redis knows all", async || self.presence.stats().untold == 0).await;
    }

    /// Who is listed: users with their connections.
    pub async fn list(&self, room: &str) -> BTreeMap<String, u64> {
        let listed = self.presence.list(room, None, 1000).await.unwrap();
        assert_eq!((listed.count, listed.has_more), (listed.users.len() as u64, false));
        listed.users.into_iter().map(|user| (user.user_id, user.connections)).collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.run.abort();
        self.bells.abort();
    }
}

/// One who watches a room, and what it knows of it from what it was told.
pub struct Watcher {
    pub watch: Watch,
    /// Who is there; none where only the number is known.
    pub users: Option<BTreeSet<Arc<str>>>,
    pub count: u64,
    /// More of the same reading is to come.
    amid: bool,
    /// Whether it was told anything yet.
    begun: bool,
}

impl Watcher {
    pub fn of(watch: Watch) -> Self {
        Self { watch, users: None, count: 0, amid: false, begun: false }
    }

    /// What it is told next, which must fit to what it was told before.
    #[track_caller]
    pub fn next(&mut self) -> impl Future<Output = Arc<Told>> {
        let place = std::panic::Location::caller();
        async move {
            let told = tokio::time::timeout(DEADLINE, self.watch.next()).await;
            let told = told.unwrap_or_else(|_| panic!("nothing is told, at {place}"));
            self.learn(&told.what);
            told
        }
    }

    pub fn learn(&mut self, what: &What) {
        assert!(self.begun || matches!(what, What::State { .. }), "first comes who is there: {what:?}");
        self.begun = true;
        match what {
            What::State { count, users } => {
                (self.count, self.amid) = (*count, false);
                self.users = users.as_ref().map(|users| users.iter().cloned().collect());
                let distinct = self.users.as_ref().map(|users| users.len() as u64);
                assert!(distinct.is_none_or(|distinct| distinct == *count), "{what:?}");
            }
            What::Joined { user, count } => {
                assert!(self.users.as_mut().unwrap().insert(Arc::clone(user)), "twice: {what:?}");
                self.counts(*count, what);
            }
            What::Left { user, count } => {
                assert!(self.users.as_mut().unwrap().remove(user), "was not there: {what:?}");
                self.counts(*count, what);
            }
        }
    }

    /// All changes that were read together have the number after all of them: the same until it is right.
    fn counts(&mut self, count: u64, what: &What) {
        assert!(!std::mem::take(&mut self.amid) || self.count == count, "{what:?}");
        self.count = count;
        self.amid = self.users.as_ref().unwrap().len() as u64 != count;
    }

    /// Who is there, as far as it knows.
    pub fn names(&self) -> Vec<&str> {
        self.users.as_ref().expect("who is there is known").iter().map(AsRef::as_ref).collect()
    }

    /// The next must be this.
    pub async fn is_told(&mut self, what: What) {
        assert_eq!(self.next().await.what, what);
    }

    /// Is told until it knows these to be there, and no others.
    pub async fn sees(&mut self, names: &[&str]) {
        while !self.begun || self.users.is_none() || self.names() != names {
            self.next().await;
        }
    }

    /// Nothing was told that it has not heard of.
    pub fn is_told_nothing(&mut self) {
        let next = futures_util::FutureExt::now_or_never(self.watch.next());
        assert_eq!(next.map(|told| told.what.clone()), None);
    }
}

pub fn state(users: &[&str]) -> What {
    let users: Vec<Arc<str>> = users.iter().map(|user| Arc::from(*user)).collect();
    What::State { count: users.len() as u64, users: Some(users) }
}

pub fn joined(user: &str, count: u64) -> What {
    What::Joined { user: user.into(), count }
}

pub fn left(user: &str, count: u64) -> What {
    What::Left { user: user.into(), count }
}

/// Waits until these are listed, with their connections, and no others.
pub async fn until_listed(node: &Node, room: &str, users: &[(&str, u64)]) {
    let users: Vec<_> = users.iter().map(|(user, connections)| ((*user).to_owned(), *connections)).collect();
    until("they are listed", async || {
        // It may be away.
        let Ok(listed) = node.presence.list(room, None, 1000).await else { return false };
        listed.users.into_iter().map(|user| (user.user_id, user.connections)).eq(users.iter().cloned())
    })
    .await;
}
