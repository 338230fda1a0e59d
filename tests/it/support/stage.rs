//! The stage of a fault: servers that may be ended, nodes on wires that may be cut, a crowd that reads, writers that
//! write; and at the end one judgement, always the same.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    sync::{Arc, RwLock},
    time::Duration,
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, postgres::PgPoolOptions};
use tempfile::TempDir;
use tokio::time::Instant;

use super::{
    Link, Machine, Node, SENDER, World,
    crowd::{Addresses, Crowd, Manner},
    guests::{self, Guests, Told},
    load::Load,
    record::{self, MARK, Record},
    until,
};

/// How large and how long.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Subscribers that read all the time.
    pub subscribers: usize,
    /// Sockets, and twice as many as streams of users that are seen.
    pub sockets: usize,
    /// Changes a second that the writers make.
    pub rate: u64,
    /// What is multiplied to the faults' own sizes and times.
    pub pace: f64,
    /// For all that is random.
    pub seed: u64,
}

impl Scale {
    /// So many parts of a size.
    pub fn of(&self, size: usize) -> usize {
        ((size as f64 * self.pace) as usize).max(1)
    }

    /// How long a promise of that length may take here: the small tests run all at once, beside many others.
    pub fn patience(&self, promise: Duration) -> Duration {
        if self.is_full() { promise } else { promise * 3 }
    }

    /// Whether it has the machine for itself.
    pub fn is_full(&self) -> bool {
        self.pace >= 0.5
    }

    /// So much of a time.
    pub fn span(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds * self.pace)
    }
}

/// A node, and its wires.
pub struct Wired {
    pub node: Node,
    pub postgres: Link,
    pub redis: Link,
}

/// What is judged at the end.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Those that stayed, or came back by themselves.
    pub subscribers: usize,
    pub changes: usize,
    pub lost: usize,
    pub repeated: usize,
    pub disordered: usize,
    pub resets: usize,
    /// Subscribers had to be told to read anew.
    pub told_to_read_anew: bool,
    /// What sockets were told.
    pub told: Told,
    /// From the fault, or from its end, until every subscriber had a change that was committed after it.
    pub recovered: Duration,
    /// What else should not have been.
    pub wrong: Vec<String>,
    /// Figures worth knowing.
    pub notes: Vec<String>,
}

/// Servers, nodes, subscribers and writers.
pub struct Stage {
    pub scale: Scale,
    pub world: World,
    pub postgres: Machine,
    pub redis: Machine,
    pub nodes: Vec<Wired>,
    pub record: Arc<Record>,
    pub crowd: Crowd,
    pub guests: Guests,
    pub outcome: Outcome,
    addresses: Addresses,
    load: Option<Load>,
    /// The generation of which a failover may have lost a part.
    pub forgotten: Option<i32>,
    marks: u32,
    /// When the last one was about to be written.
    marking: Instant,
    _dir: TempDir,
}

/// Clients come back soon, and the log of a node says only what is broken.
const SETTINGS: [(&str, &str); 3] = [("RETRY", "200ms"), ("LOG", "error"), ("DRAIN", "1s")];

/// How long something may take that must come: longer than any promise.
const PATIENCE: Duration = Duration::from_secs(60);

impl Stage {
    /// A stage with so many nodes; the first one leads. Its settings are `first`, those of all are `settings`.
    pub async fn open(scale: Scale, nodes: usize, first: &[(&str, &str)], settings: &[(&str, &str)]) -> Self {
        // Nodes inherit it: thousands of clients need a descriptor each, at both ends.
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
        // An unprivileged account may enter, lest the data go elsewhere when the tests run as root.
        let dir = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
        let (postgres, redis) = (dir.path().join("one"), dir.path().join("redis"));
        let (postgres, redis) = tokio::join!(Machine::postgres(&postgres), Machine::redis(&redis));
        let world = world(postgres.url(), redis.url());
        let mut stage = Self {
            scale,
            world,
            postgres,
            redis,
            nodes: Vec::new(),
            record: Arc::default(),
            crowd: Crowd::default(),
            guests: Guests::default(),
            outcome: Outcome { subscribers: scale.subscribers, ..Outcome::default() },
            addresses: Arc::new(RwLock::new(Vec::new())),
            load: None,
            forgotten: None,
            marks: 0,
            marking: Instant::now(),
            _dir: dir,
        };
        stage.add_node(&[settings, first].concat()).await;
        record::audit(&stage.world.pool).await;
        until("the first node leads", async || stage.leads(0).await).await;
        for _ in 1..nodes {
            stage.add_node(settings).await;
        }
        let manner = Manner { restless: Some(10), ..Manner::default() };
        stage.crowd = stage.gather(scale.subscribers, &manner).await;
        stage.record = Arc::clone(&stage.crowd.record);
        stage.guests = Guests::gather(scale.sockets, &stage.addresses, scale.seed).await;
        stage
    }

    /// The same, with writers at work.
    pub async fn busy(scale: Scale, nodes: usize, first: &[(&str, &str)], settings: &[(&str, &str)]) -> Self {
        let mut stage = Self::open(scale, nodes, first, settings).await;
        stage.write().await;
        stage.flow(1.0).await;
        stage
    }

    /// More subscribers. What they are told is noted apart: they must not hold up each other, be it by a lock.
    pub async fn gather(&self, count: usize, manner: &Manner) -> Crowd {
        Crowd::gather(count, manner, &self.addresses, &Arc::default(), self.scale.seed).await
    }

    /// Notes what others were told: it must be the same.
    pub fn compare(&mut self, others: &Crowd) {
        let differences = self.record.add(&others.record);
        if differences > 0 {
            self.outcome.wrong.push(format!("{differences} positions mean two things"));
        }
    }

    /// Sets the writers to work.
    pub async fn write(&mut self) {
        let load = Load::start(&self.addresses, &self.world.database_url, self.scale.rate, self.scale.seed).await;
        self.load = Some(load);
    }

    /// Starts one more node and lets clients come to it. Every other one writes its streams through the HTTP library:
    /// what holds must hold for both.
    pub async fn add_node(&mut self, settings: &[(&str, &str)]) {
        let (postgres, redis) = tokio::join!(Link::to(self.postgres.url()), Link::to(self.redis.url()));
        let links = [("DATABASE_URL", postgres.url()), ("REDIS_URL", redis.url())];
        let writers = if self.nodes.len().is_multiple_of(2) { "2" } else { "0" };
        let writers = [("WRITERS", writers)];
        let settings = [&SETTINGS[..], &guests::SETTINGS, &writers, settings, &links].concat();
        let node = self.world.node_with(&settings).await;
        self.addresses.write().unwrap().push(address(&node));
        self.nodes.push(Wired { node, postgres, redis });
    }

    /// Lets no client come to a node any more, as a load balancer would that knows.
    pub fn hide(&self, node: usize) {
        let address = self.address(node);
        self.addresses.write().unwrap().retain(|other| *other != address);
    }

    /// Lets clients come to it again.
    pub fn show(&self, node: usize) {
        self.addresses.write().unwrap().push(self.address(node));
    }

    /// Where a node is.
    pub fn address(&self, node: usize) -> String {
        address(&self.nodes[node].node)
    }

    /// What a node says of itself.
    pub async fn health(&self, node: usize) -> serde_json::Value {
        self.nodes[node].node.get("/health").await.body
    }

    /// Whether a node leads.
    pub async fn leads(&self, node: usize) -> bool {
        self.health(node).await["relay"]["leading"] == true
    }

    /// Lets the writers go on for so many seconds of the stage's own time.
    pub async fn flow(&self, seconds: f64) {
        tokio::time::sleep(self.scale.span(seconds)).await;
    }

    /// Writes a mark, as soon as that is possible.
    pub async fn mark(&mut self) -> String {
        self.marks += 1;
        let mark = format!("{MARK}{}", self.marks);
        let statement = format!("insert into messages (content, sender_id) values ('{mark}', '{SENDER}')");
        until("a mark is written", async || {
            self.marking = Instant::now();
            match PgConnection::connect(&self.world.database_url).await {
                Ok(mut session) => session.execute(AssertSqlSafe(statement.as_str())).await.is_ok(),
                Err(_) => false,
            }
        })
        .await;
        mark
    }

    /// Notes how long it took from `since` until all subscribers had a change that was committed later; all but those
    /// that are at a node which is `out` of the world. Then waits for the sockets to have it too, or to be back.
    pub async fn recovers(&mut self, since: Instant, out: Option<usize>) {
        let mark = self.mark().await;
        let out = out.map(|node| self.address(node));
        let have = || self.have(&mark, |address| Some(address) != out.as_ref());
        if !within(PATIENCE, have).await {
            let stuck = self.crowd.sum(|seen| usize::from(seen.at < self.record.mark(&mark)));
            self.outcome.wrong.push(format!("{stuck} subscribers did not get {mark}"));
            for node in 0..self.nodes.len() {
                let health = self.nodes[node].node.try_get("/health").await;
                self.note(format!("node {node}: {health}"));
            }
        }
        self.outcome.recovered = self.outcome.recovered.max(since.elapsed());
        let Some(at) = self.record.mark(&mark) else { return };
        if !within(PATIENCE, || self.guests.have(at, self.marking, out.as_ref())).await {
            self.outcome.wrong.push(format!("sockets did not get {mark}: {:?}", self.guests.stuck(at)));
        }
    }

    fn have(&self, mark: &str, here: impl Fn(&String) -> bool) -> bool {
        let Some(at) = self.record.mark(mark) else { return false };
        self.crowd.all(|seen| !here(&seen.address) || seen.at >= Some(at))
    }

    /// Whether all subscribers have a mark.
    pub fn has(&self, mark: &str) -> bool {
        self.have(mark, |_| true)
    }

    /// How many streams are open, of the crowd and of guests.
    pub fn streams(&self) -> usize {
        self.crowd.len() + self.guests.streams()
    }

    /// Leads all wires to where the servers are now.
    pub async fn rewire(&mut self) {
        for node in &self.nodes {
            node.postgres.lead_to(self.postgres.url());
            node.redis.lead_to(self.redis.url());
        }
        if self.world.database_url != self.postgres.url() {
            self.world = world(self.postgres.url(), self.redis.url());
        }
    }

    /// Sends a command to Redis, as an administrator would.
    pub async fn redis_does(&self, command: &[&str]) {
        let client = redis::Client::open(self.redis.url()).unwrap();
        let mut redis = client.get_multiplexed_async_connection().await.unwrap();
        let answer: redis::RedisResult<redis::Value> =
            redis::cmd(command[0]).arg(&command[1..]).query_async(&mut redis).await;
        answer.unwrap();
    }

    /// Says something that is worth knowing.
    pub fn note(&mut self, note: String) {
        self.outcome.notes.push(note);
    }

    /// Stops the writers, lets all subscribers come to the head, and judges.
    pub async fn close(mut self) -> Outcome {
        self.guests.rest();
        let answers = match self.load.take() {
            Some(load) => load.stop().await,
            None => Default::default(),
        };
        let (begun, recovered) = (Instant::now(), self.outcome.recovered);
        self.recovers(begun, None).await;
        self.outcome.recovered = recovered;
        self.rests().await;

        let found = self.record.judge(&self.world.pool, self.forgotten).await;
        let outcome = &mut self.outcome;
        outcome.changes = found.changes;
        outcome.lost = found.lost + self.crowd.sum(|seen| seen.missing.len());
        outcome.repeated = found.extra + self.crowd.sum(|seen| seen.repeated as usize);
        outcome.disordered = found.disordered + self.crowd.sum(|seen| seen.disordered as usize);
        outcome.resets = self.crowd.sum(|seen| seen.resets as usize);
        self.crowd.each(|seen| outcome.wrong.extend(seen.wrong.iter().take(3).cloned()));
        outcome.wrong.extend(answers.wrong);
        let promised = "select count(*) from unnest($1::bigint[]) taken (id)
            where not exists (select from audit where audit.id = taken.id and op = 'i')";
        let broken: i64 = sqlx::query_scalar(promised).bind(&answers.taken).fetch_one(&self.world.pool).await.unwrap();
        if broken > 0 && self.forgotten.is_none() {
            outcome.wrong.push(format!("{broken} messages were answered with 201 and are gone"));
        }
        outcome.notes.push(format!(
            "{} taken, {} refused, {} unanswered; {} transactions, {} sessions lost",
            answers.taken.len(),
            answers.refused,
            answers.unanswered,
            answers.committed,
            answers.lost_sessions
        ));
        self.outcome
    }
}

impl Outcome {
    /// A row of the table.
    pub fn row(&self, fault: &str, within: Duration) -> String {
        let Self { subscribers, changes, lost, repeated, disordered, .. } = self;
        let recovered = self.recovered.as_secs_f64();
        let within = within.as_secs();
        format!(
            "| {fault} | {subscribers} | {changes} | {lost} | {repeated} | {disordered} | {recovered:.2} s | {within} s |"
        )
    }

    /// All that breaks a promise.
    pub fn breaches(&self, within: Duration) -> Vec<String> {
        let counts = [("lost", self.lost), ("repeated", self.repeated), ("out of order", self.disordered)];
        let mut breaches = self.wrong.clone();
        breaches.extend(counts.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")));
        if self.resets > 0 && !self.told_to_read_anew {
            breaches.push(format!("{} were told to read anew", self.resets));
        }
        if self.recovered > within {
            breaches.push(format!("recovered after {:?}, not within {within:?}", self.recovered));
        }
        if self.changes == 0 {
            breaches.push("nothing was written".to_owned());
        }
        breaches
    }
}

/// Whether something holds before that time is over.
async fn within(time: Duration, holds: impl Fn() -> bool) -> bool {
    let all = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(time, all).await.is_ok()
}

/// The world of servers that are nobody else's.
pub fn world(database_url: &str, redis_url: &str) -> World {
    World {
        database_url: database_url.to_owned(),
        redis_url: redis_url.to_owned(),
        prefix: String::new(),
        pool: PgPoolOptions::new().max_connections(4).connect_lazy(database_url).unwrap(),
    }
}

fn address(node: &Node) -> String {
    node.url.strip_prefix("http://").expect("a URL").to_owned()
}
