//! Ours: a node that leads, and one that serves the subscribers. The second one is weighed: it does what every further
//! node does.

use std::net::SocketAddr;

use chrono::Utc;
use futures_util::future::LocalBoxFuture;
use rowcast::{
    change::{Change, ChangedRow, EventId, Operation, Published},
    dev::{Options, Services},
    frame::Frame,
};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};
use uuid::Uuid;

use super::{
    Load, Past, Server,
    publisher::{Publisher, content},
};
use crate::process::{Place, at};

/// What all of ours stand on.
pub struct Backend {
    pub services: Services,
    /// What one of our events looks like: the limit writes the same.
    pub event: String,
    _dir: TempDir,
}

/// A node, ended when this is dropped.
pub struct Node {
    pub address: SocketAddr,
    pub process: Child,
}

struct Rowcast {
    leader: Node,
    node: Node,
    publisher: Publisher,
    past: PgConnection,
    database: String,
}

impl Backend {
    /// Starts PostgreSQL and Redis; elsewhere, they are apart from the processor that is measured.
    pub async fn start(place: Place) -> Self {
        let dir = tempfile::Builder::new().permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755)).tempdir();
        let dir = dir.unwrap();
        let settings = [("max_connections", "200"), ("shared_buffers", "256MB"), ("max_wal_size", "4GB")];
        let postgres_settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let options = Options { postgres_settings, ..Options::default() };
        let services = at(place, || Services::start_with(dir.path(), options)).await.unwrap();
        Self { services, event: event(), _dir: dir }
    }
}

/// One of our events, as a node makes it.
fn event() -> String {
    let row = ChangedRow {
        id: 1_234_567,
        room: "room0".to_owned(),
        content: Some(content()),
        content_omitted: false,
        file: None,
        created_date: Utc::now(),
        updated_date: None,
        sender_id: Uuid::nil(),
        session_id: None,
    };
    let change = Change {
        operation: Operation::Insert,
        row: Some(row),
        event_id: EventId::new(1, 1_234_567),
        prev: Some(EventId::new(1, 1_234_566)),
        transaction: "1234567".to_owned(),
        at: Utc::now(),
    };
    let frame = Frame::new(Published::render(&change).unwrap());
    String::from_utf8(frame.bytes.to_vec()).unwrap()
}

/// What was set for ours, and what is weighed.
pub fn terms(writers: usize) -> String {
    let weighed = "the node that serves the subscribers is weighed, another one leads";
    format!("{} (`WRITERS={writers}`, `ACCEPT_RATE=20000`, else defaults; {weighed})", env!("CARGO_PKG_VERSION"))
}

/// A new database: its address.
pub async fn database(backend: &Backend) -> String {
    let name = format!("bench_{:016x}", fastrand::u64(..));
    let mut session = PgConnection::connect(backend.services.database_url()).await.unwrap();
    session.execute(AssertSqlSafe(format!("create database {name}"))).await.unwrap();
    let (server, _) = backend.services.database_url().rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

impl Node {
    /// Starts the program and waits until it listens.
    pub async fn start(backend: &Backend, database: &str, place: Place, settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rowcast"));
        command.env_clear().arg("serve").env("DATABASE_URL", database).env("REDIS_URL", backend.services.redis_url());
        // Each database has its own channels.
        command.env("REDIS_PREFIX", database.rsplit_once('/').unwrap().1);
        command.envs([("HOST", "127.0.0.1"), ("PORT", "0"), ("LOG", "error"), ("ACCEPT_RATE", "20000")]);
        command.envs(settings.iter().copied()).stdout(std::process::Stdio::piped()).kill_on_drop(true);
        let mut process = at(place, || command.spawn().unwrap());
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().expect("a node starts");
        let address = line.strip_prefix("listening on http://").unwrap().parse().unwrap();
        Self { address, process }
    }

    /// The same, and waits until it leads.
    pub async fn leading(backend: &Backend, database: &str, place: Place) -> Self {
        let node = Self::start(backend, database, place, &[]).await;
        node.leads().await;
        node
    }

    /// Waits until it leads.
    pub async fn leads(&self) {
        while self.health().await["relay"]["leading"] != true {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    pub fn id(&self) -> u32 {
        self.process.id().unwrap()
    }

    /// What it says of itself.
    pub async fn health(&self) -> serde_json::Value {
        reqwest::get(format!("http://{}/health", self.address)).await.unwrap().json().await.unwrap()
    }
}

pub async fn start(backend: &Backend, settings: &[(&str, &str)]) -> impl Server + use<> {
    let database = database(backend).await;
    let leader = Node::leading(backend, &database, Place::Elsewhere).await;
    let node = Node::start(backend, &database, Place::Server, settings).await;
    let mut session = PgConnection::connect(&database).await.unwrap();
    let past = PgConnection::connect(&database).await.unwrap();
    let publisher = Publisher::start(async move |rooms: &[usize]| insert(&mut session, rooms.iter().copied()).await);
    Rowcast { leader, node, publisher, past, database }
}

/// Adds a message to each of these rooms, in one statement.
pub async fn insert(session: &mut PgConnection, rooms: impl Iterator<Item = usize>) {
    let (rooms, contents): (Vec<String>, Vec<String>) = rooms.map(|room| (format!("room{room}"), content())).unzip();
    let insert = "insert into messages (room, content, sender_id)
        select room, content, '6f1c7a52-6d0f-4a42-93a1-0c7f4b2b7a10' from unnest($1::text[], $2::text[]) new (room, content)";
    sqlx::query(insert).bind(&rooms).bind(&contents).execute(session).await.unwrap();
}

impl Server for Rowcast {
    fn address(&self) -> SocketAddr {
        self.node.address
    }

    fn path(&self, room: usize) -> String {
        format!("/stream?room=room{room}")
    }

    fn everything(&self) -> String {
        "/stream".to_owned()
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.node.id()]
    }

    fn publish(&mut self, load: Load) {
        let _leads = self.leader.id();
        self.publisher.set(load);
    }

    fn past(&mut self, count: usize) -> LocalBoxFuture<'_, Past> {
        Box::pin(async move {
            let head = async || self.node.health().await["hub"]["head"].as_str().unwrap().parse::<EventId>().unwrap();
            let from = head().await;
            insert(&mut self.past, (0..count).map(|_| 0)).await;
            while head().await.position < from.position + count as i64 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            Past { path: "/stream".to_owned(), headers: format!("Last-Event-ID: {from}\r\n"), events: count }
        })
    }

    fn database(&self) -> Option<&str> {
        Some(&self.database)
    }

    fn reads(&self) -> LocalBoxFuture<'_, Option<u64>> {
        Box::pin(async { self.node.health().await["hub"]["page_reads"].as_u64() })
    }
}
