//! All SQL: the table `messages`, and the feed beside it.
//!
//! Two pools, so that neither a wave of resuming clients nor a long catch-up keeps a `POST` waiting: one for what HTTP
//! asks, one for reading the log. The leader and the bells have sessions of their own (see [`leader`], [`bell`]).

pub mod bell;
mod insert;
mod keyed;
pub mod leader;
mod log;
mod messages;
mod posts;
mod retention;
mod room;
mod session;
mod tick;
mod usage;
mod vitals;

use std::{sync::Arc, time::Duration};

use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

pub use messages::{Page, Query, Seen, Within};
pub use posts::{Share, Together};
pub use retention::{Keep, Trimmed};
pub use room::{Room, RoomPage, RoomQuery};
pub use session::Added;
pub use tick::{Cut, Head};
pub use usage::{Pool, Usage};
pub use vitals::{Held, Vitals};

/// The migrations, embedded in the binary.
static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// How long a session that reads the log is believed to work without being tested.
const FRESH: Duration = Duration::from_millis(500);

/// How to reach PostgreSQL.
#[derive(Debug, Clone)]
pub struct Options {
    /// For HTTP and for reading the log; may go through a pooler.
    pub database: PgConnectOptions,
    /// For sessions that hold locks and listen; must not go through a transaction pooler.
    pub direct: PgConnectOptions,
    /// The most connections for HTTP.
    pub connections: u32,
    /// The most connections for reading the log.
    pub log_connections: u32,
    /// How long a caller waits for a free connection, and a statement for HTTP may take.
    pub timeout: Duration,
    /// Content above this many bytes is not put into an event.
    pub event_bytes: i32,
    /// How messages are written together.
    pub together: Together,
}

/// PostgreSQL, as Rowcast uses it; a cheap handle.
#[derive(Clone)]
pub struct Store {
    http: PgPool,
    log: PgPool,
    direct: PgConnectOptions,
    timeout: Duration,
    event_bytes: i32,
    posts: Arc<posts::Posts>,
    /// How long posts that are written together wait for a lock, as a setting of PostgreSQL.
    patience: String,
}

/// Why PostgreSQL did not do what was asked. Each says its cause itself, so none has it as its source: whoever writes
/// down an error with all its sources would have it twice.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached now, or has no room for us; later it may.
    #[error("PostgreSQL is unavailable: {0}")]
    Unavailable(Arc<sqlx::Error>),
    /// The row breaks a rule of the table.
    #[error("PostgreSQL refused the row: {0}")]
    Refused(Arc<sqlx::Error>),
    /// Too many messages wait to be written; later there may be fewer.
    #[error("too many posts wait to be written")]
    Crowded,
    /// Another leader has cut the same tick.
    #[error("another relay leads")]
    Fenced,
    /// A fault of ours, or of the schema.
    #[error("PostgreSQL: {0}")]
    Failed(Arc<sqlx::Error>),
    /// The schema could not be brought up to date.
    #[error("the schema cannot be migrated: {0}")]
    Migrate(sqlx::migrate::MigrateError),
    /// A row cannot be rendered.
    #[error(transparent)]
    Render(#[from] crate::change::BadChange),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Arc::new(error).into()
    }
}

/// The same error may come to all whose messages were written together.
impl From<Arc<sqlx::Error>> for StoreError {
    fn from(error: Arc<sqlx::Error>) -> Self {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
        match (&*error, code.get(..2)) {
            (sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_), _)
            | (sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed, _)
            // Connection, resources, operator intervention (also a shutdown), read-only after a failover, and 40: a
            // deadlock or a serialisation failure.
            | (_, Some("08" | "53" | "57" | "25" | "40" | "58")) => Self::Unavailable(error),
            // A lock that was not had within the time that an administrator has set.
            _ if code == "55P03" => Self::Unavailable(error),
            (_, Some("22" | "23")) => Self::Refused(error),
            _ => Self::Failed(error),
        }
    }
}

impl Store {
    /// Prepares the pools; connections are made when they are needed.
    pub fn new(options: Options) -> Self {
        let timeout = options.timeout;
        let pool = |connections| PgPoolOptions::new().max_connections(connections).acquire_timeout(timeout);
        let reading = pool(options.log_connections).test_before_acquire(false);
        let reading = reading.before_acquire(|session, idle| Box::pin(test(session, idle.idle_for)));
        let limit = milliseconds(timeout);
        let quiet = |options: PgConnectOptions| options.disable_statement_logging();
        let http = quiet(options.database.clone()).options([("statement_timeout", limit.as_str())]);
        Self {
            http: pool(options.connections).connect_lazy_with(http),
            log: reading.connect_lazy_with(for_log(quiet(options.database))),
            direct: for_log(quiet(options.direct)),
            timeout,
            event_bytes: options.event_bytes,
            patience: milliseconds(options.together.patience),
            posts: Arc::new(posts::Posts::new(options.together)),
        }
    }

    /// Brings the schema up to date. Several nodes may do so at once: they wait for one another. Where nothing is to be
    /// done nothing is tried, so that the role of a node need not have the right to change the schema.
    ///
    /// # Errors
    /// When PostgreSQL cannot be reached or refuses.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut session = PgConnection::connect_with(&self.direct).await?;
        if !is_current(&mut session).await? {
            MIGRATIONS.run(&mut session).await.map_err(StoreError::Migrate)?;
        }
        session.close().await?;
        Ok(())
    }

    /// Waits for an answer no longer than a request may wait: a server that hangs keeps no timeout of its own.
    async fn in_time<T>(&self, answer: impl Future<Output = sqlx::Result<T>>) -> Result<T, StoreError> {
        Ok(self.limited(answer).await?)
    }

    async fn limited<T>(&self, answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
        let answer = tokio::time::timeout(self.timeout, answer).await;
        answer.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
    }

    /// Closes all connections, after the statements under way.
    pub async fn close(&self) {
        self.http.close().await;
        self.log.close().await;
    }
}

/// Whether the database has these migrations, as they are here, and no others. What it says instead, the migrator says
/// better: that there is no such table yet, or that it was made by a newer program.
async fn is_current(session: &mut PgConnection) -> Result<bool, StoreError> {
    let applied = sqlx::query_as("select version, checksum from _sqlx_migrations where success order by version");
    let applied: Vec<(i64, Vec<u8>)> = match applied.fetch_all(session).await {
        Err(sqlx::Error::Database(_)) => return Ok(false),
        applied => applied?,
    };
    Ok(applied.iter().map(|(version, sum)| (*version, &**sum)).eq(MIGRATIONS.iter().map(|m| (m.version, &*m.checksum))))
}

/// Whether a session that reads the log can be used. It was tested when it came back; to ask again at once would be a
/// third round trip for each reading. Where something is written, that is worth its time: what a server that hangs was
/// not given, it does not do after all when it goes on.
async fn test(session: &mut PgConnection, idle: Duration) -> sqlx::Result<bool> {
    if idle > FRESH {
        session.ping().await?;
    }
    Ok(true)
}

/// A time as PostgreSQL's settings have it. There 0 is no bound.
fn milliseconds(time: Duration) -> String {
    format!("{}ms", time.as_millis().clamp(1, i32::MAX as u128))
}

/// The log grows at one end and is read at that end, so its statistics are always stale and make the planner choose
/// scans of all of it; and its statements take 0.1 ms, so planning each of them anew, or compiling one, costs many
/// times that.
fn for_log(options: PgConnectOptions) -> PgConnectOptions {
    options.options([
        ("enable_seqscan", "off"),
        ("enable_bitmapscan", "off"),
        ("jit", "off"),
        ("plan_cache_mode", "force_generic_plan"),
        // A dead peer is noticed after some 10 s, so that it does not hold the leader's lock for hours.
        ("tcp_keepalives_idle", "5"),
        ("tcp_keepalives_interval", "2"),
        ("tcp_keepalives_count", "3"),
        ("idle_in_transaction_session_timeout", "5s"),
        // What an administrator sets for a role or a database is meant for others: a tick takes what it takes, and a
        // bell is silent for hours. PostgreSQL before 14 knows no idle_session_timeout, and would refuse us.
        ("statement_timeout", "0"),
        ("lock_timeout", "0"),
        ("idle_session_timeout", "0"),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_with_all_its_sources_says_its_cause_once() {
        let error = StoreError::from(sqlx::Error::Io(std::io::Error::other("the cause")));
        let all = format!("{:#}", anyhow::Error::from(error).context("the database"));
        assert_eq!(all.matches("the cause").count(), 1, "{all}");
    }
}
