//! A private PostgreSQL and a private Redis in one directory, for `rowcast dev` and for the tests.
//!
//! Who tries Rowcast should need no server, no container engine and no set-up; who tests it should meet the real
//! servers, not imitations. So the programs that the machine has anyway are started on free ports of the loopback
//! address, with data, logs, ports and password in one directory: remove the directory and all is gone.
//!
//! | in the directory | what it is |
//! |---|---|
//! | `lock` | held while the servers run, so that a second start is refused |
//! | `password` | random, for both servers, readable by the owner only |
//! | `postgres/`, `redis/` | the data; symbolic links if the data had to go elsewhere (see `home`) |
//! | `postgres.port`, `redis.port` | the ports of the last start, taken again if they are free |
//! | `postgres.log`, `redis.log` | what the servers said since they were last started |
//!
//! Three things are harder than they look. PostgreSQL refuses to run as root, so root hands both servers to an
//! unprivileged account (`home`). Ctrl-C in a terminal reaches every process of the foreground group, so the servers
//! get groups of their own: Rowcast drains first and stops them after (`server`). And a parent that is killed cannot
//! stop its children, so each server has a guardian that outlives us (`guardian`).

mod directory;
mod error;
mod guardian;
mod home;
mod log;
mod port;
mod postgres;
mod programs;
mod redis;
mod server;
#[cfg(test)]
mod tests;

use std::{path::Path, sync::Arc};

use nix::unistd::Pid;

use self::directory::Directory;
pub use self::error::DevError;
use self::server::Server;

/// What may differ from the defaults, which are made for data that must last.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Settings of PostgreSQL by name, as in `postgresql.conf`: `("fsync", "off")`, `("max_connections", "500")`.
    pub postgres_settings: Vec<(String, String)>,
    /// Settings of Redis by name, as in `redis.conf`: `("save", "\"\"")`.
    pub redis_settings: Vec<(String, String)>,
}

/// One running server.
///
/// [`Service::stop`] stops it and waits for it. If the value is only dropped, or the process dies, its guardian stops
/// it a moment later.
pub struct Service {
    server: Server,
    url: String,
    /// Keeps the directory locked; the last field, because fields are dropped in order.
    _directory: Arc<Directory>,
}

impl Service {
    /// Starts PostgreSQL alone with its data under `dir`, and returns when it accepts connections.
    ///
    /// # Errors
    /// See [`Services::start_with`].
    pub async fn postgres(dir: &Path, settings: &[(String, String)]) -> Result<Self, DevError> {
        Self::postgres_in(&Arc::new(Directory::open(dir)?), settings).await
    }

    /// Starts Redis alone with its data under `dir`, and returns when it accepts connections.
    ///
    /// # Errors
    /// See [`Services::start_with`].
    pub async fn redis(dir: &Path, settings: &[(String, String)]) -> Result<Self, DevError> {
        Self::redis_in(&Arc::new(Directory::open(dir)?), settings).await
    }

    async fn postgres_in(directory: &Arc<Directory>, settings: &[(String, String)]) -> Result<Self, DevError> {
        let (server, port) = postgres::start(directory, settings).await?;
        let url = format!("postgres://rowcast:{}@127.0.0.1:{port}/rowcast", directory.password);
        Ok(Self { server, url, _directory: Arc::clone(directory) })
    }

    async fn redis_in(directory: &Arc<Directory>, settings: &[(String, String)]) -> Result<Self, DevError> {
        let (server, port) = redis::start(directory, settings).await?;
        // It names the user, since `redis-cli` takes an empty name for a name.
        let url = format!("redis://default:{}@127.0.0.1:{port}", directory.password);
        Ok(Self { server, url, _directory: Arc::clone(directory) })
    }

    /// Where it is: PostgreSQL's database `rowcast`, as its owner, who is a superuser here; or Redis.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process id of the server, unless it has ended.
    pub fn id(&self) -> Option<Pid> {
        self.server.id()
    }

    /// Waits until it ends by itself, and says how, and what its log says.
    ///
    /// Dropping the future and calling again loses nothing.
    pub async fn ended(&mut self) -> DevError {
        self.server.ended().await
    }

    /// Stops it and waits for it: politely first, and by force when it takes too long.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

/// PostgreSQL and Redis, running in one directory.
pub struct Services {
    postgres: Service,
    redis: Service,
}

impl Services {
    /// Starts both servers with their data under `dir`, which is created if it is not there, and returns when both
    /// accept connections.
    ///
    /// # Errors
    /// See [`start_with`](Self::start_with).
    pub async fn start(dir: &Path) -> Result<Self, DevError> {
        Self::start_with(dir, Options::default()).await
    }

    /// Starts both servers as [`start`](Self::start) does, with settings of one's own.
    ///
    /// # Errors
    /// If a program is not installed, the directory is in use or cannot be written, or a server does not come up.
    /// What was started until then is stopped.
    pub async fn start_with(dir: &Path, options: Options) -> Result<Self, DevError> {
        let directory = Arc::new(Directory::open(dir)?);
        let started = tokio::join!(
            Service::postgres_in(&directory, &options.postgres_settings),
            Service::redis_in(&directory, &options.redis_settings),
        );
        match started {
            (Ok(postgres), Ok(redis)) => Ok(Self { postgres, redis }),
            (Ok(survivor), Err(error)) | (Err(error), Ok(survivor)) => {
                survivor.stop().await;
                Err(error)
            }
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// The URL of the database.
    pub fn database_url(&self) -> &str {
        self.postgres.url()
    }

    /// The URL of Redis.
    pub fn redis_url(&self) -> &str {
        self.redis.url()
    }

    /// Waits until one of the two servers ends by itself, and says which, how, and what its log says.
    ///
    /// Dropping the future and calling again loses nothing.
    pub async fn failed(&mut self) -> DevError {
        tokio::select! {
            error = self.postgres.ended() => error,
            error = self.redis.ended() => error,
        }
    }

    /// Stops both servers and waits for them.
    pub async fn stop(self) {
        tokio::join!(self.postgres.stop(), self.redis.stop());
    }
}
