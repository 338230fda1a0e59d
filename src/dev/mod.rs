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

use std::path::Path;

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

/// The two running servers.
///
/// [`Services::stop`] stops them and waits for it. If the value is only dropped, or the process dies, their guardians
/// stop them a moment later.
pub struct Services {
    postgres: Server,
    redis: Server,
    database_url: String,
    redis_url: String,
    /// Keeps the directory locked; the last field, because fields are dropped in order.
    _directory: Directory,
}

impl Services {
    /// Starts both servers with their data under `dir`, which is created if it is not there, and returns when both
    /// accept connections.
    ///
    /// # Errors
    ///
    /// See [`start_with`](Self::start_with).
    pub async fn start(dir: &Path) -> Result<Self, DevError> {
        Self::start_with(dir, Options::default()).await
    }

    /// Starts both servers as [`start`](Self::start) does, with settings of one's own.
    ///
    /// # Errors
    ///
    /// If a program is not installed, the directory is in use or cannot be written, or a server does not come up.
    /// What was started until then is stopped.
    pub async fn start_with(dir: &Path, options: Options) -> Result<Self, DevError> {
        let directory = Directory::open(dir)?;
        let started = tokio::join!(
            postgres::start(&directory, &options.postgres_settings),
            redis::start(&directory, &options.redis_settings),
        );
        match started {
            (Ok(postgres), Ok(redis)) => Ok(Self::of(directory, postgres, redis)),
            (Ok((survivor, _)), Err(error)) | (Err(error), Ok((survivor, _))) => {
                survivor.stop().await;
                Err(error)
            }
            (Err(error), Err(_)) => Err(error),
        }
    }

    fn of(directory: Directory, (postgres, postgres_port): (Server, u16), (redis, redis_port): (Server, u16)) -> Self {
        let password = &directory.password;
        Self {
            database_url: format!("postgres://rowcast:{password}@127.0.0.1:{postgres_port}/rowcast"),
            redis_url: format!("redis://default:{password}@127.0.0.1:{redis_port}"),
            postgres,
            redis,
            _directory: directory,
        }
    }

    /// The URL of the database `rowcast`, as its owner, who is a superuser here.
    pub fn database_url(&self) -> &str {
        &self.database_url
    }

    /// The URL of Redis. It names the user, since `redis-cli` takes an empty name for a name.
    pub fn redis_url(&self) -> &str {
        &self.redis_url
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

    /// Stops both servers and waits for them: politely first, and by force when they take too long.
    pub async fn stop(self) {
        tokio::join!(self.postgres.stop(), self.redis.stop());
    }
}
