//! How much of what may be used at once is in use: connections, and places for posts.

use sqlx::PgPool;

use super::Store;

/// What is in use now.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// The connections for HTTP.
    pub http: Pool,
    /// Those for reading the log.
    pub log: Pool,
    /// Posted messages that have no answer yet.
    pub waiting: usize,
}

/// The connections of a pool.
#[derive(Debug, Clone, Copy)]
pub struct Pool {
    /// Open, and free.
    pub idle: usize,
    /// At work.
    pub used: usize,
    /// The most of both.
    pub max: usize,
}

impl Store {
    /// How much is in use; asks nobody.
    pub fn usage(&self) -> Usage {
        Usage { http: pool(&self.http), log: pool(&self.log), waiting: self.posts.waiting() }
    }
}

fn pool(pool: &PgPool) -> Pool {
    let (open, idle) = (pool.size() as usize, pool.num_idle());
    Pool { idle, used: open.saturating_sub(idle), max: pool.options().get_max_connections() as usize }
}
