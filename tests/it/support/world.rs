//! A world of its own for each test: a database, a prefix in Redis, and any number of nodes.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool};

use super::{Node, servers::servers};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A database and a part of Redis.
pub struct World {
    pub database_url: String,
    pub redis_url: String,
    /// What this world's Redis channels and keys begin with.
    pub prefix: String,
    /// For a writer who is not Rowcast.
    pub pool: PgPool,
}

impl World {
    /// An empty database.
    pub async fn new() -> Self {
        let servers = servers();
        let name = format!("it_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut admin = PgConnection::connect(&servers.database_url).await.unwrap();
        admin.execute(AssertSqlSafe(format!("create database {name}"))).await.unwrap();
        let (server, _) = servers.database_url.rsplit_once('/').unwrap();
        let database_url = format!("{server}/{name}");
        let pool = sqlx::postgres::PgPoolOptions::new().max_connections(8).connect_lazy(&database_url).unwrap();
        Self { database_url, redis_url: servers.redis_url.clone(), prefix: format!("{name}:"), pool }
    }

    /// A world with one node.
    pub async fn with_node() -> (Self, Node) {
        let world = Self::new().await;
        let node = world.node().await;
        (world, node)
    }

    /// A world whose schema is there although no node has run: all that is written before one does is one tick.
    pub async fn migrated() -> Self {
        let world = Self::new().await;
        let mut command = Node::command("migrate");
        command.env("DATABASE_URL", &world.database_url).env("REDIS_URL", &world.redis_url).env("LOG", "warn");
        assert!(command.status().await.unwrap().success());
        world
    }

    /// A node with default settings.
    pub async fn node(&self) -> Node {
        self.node_with(&[]).await
    }

    /// A node with settings, as environment variables.
    pub async fn node_with(&self, settings: &[(&str, &str)]) -> Node {
        Node::start(self, settings).await
    }

    /// Runs statements like `psql` would, in a session of its own.
    pub async fn sql(&self, statements: &str) {
        let mut session = self.session().await;
        session.execute(AssertSqlSafe(statements.to_owned())).await.unwrap();
        session.close().await.unwrap();
    }

    /// Lets PostgreSQL refuse every row with this error, as a trigger would that somebody has added.
    pub async fn refuse(&self, code: &str) {
        self.sql(&format!(
            "create or replace function refuse() returns trigger language plpgsql as
                 'begin raise exception using errcode = ''{code}''; end';
             create or replace trigger refuse before insert on messages for each row execute function refuse()"
        ))
        .await;
    }

    /// A session with the database.
    pub async fn session(&self) -> PgConnection {
        PgConnection::connect(&self.database_url).await.unwrap()
    }

    /// The one number that a query returns.
    pub async fn number(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.unwrap()
    }
}
