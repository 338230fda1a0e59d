//! Descriptors: each connection takes one, and most systems grant 1024 unless they are asked for more.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::refusal::TOLD;

/// What the node takes beside its clients' connections: to PostgreSQL and Redis, for its threads and files.
const OWN: u64 = 192;

/// Asks for as many as the system grants, and warns if they are not enough for so many connections.
pub fn ask_for(connections: usize) {
    let asked = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        if soft < hard {
            setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        }
        Ok(hard)
    });
    let needed = connections as u64 + TOLD as u64 + OWN;
    match asked {
        Ok(granted) if granted < needed => tracing::warn!(
            granted,
            needed,
            connections,
            "the system grants fewer descriptors than MAX_CONNECTIONS may need: raise the limit (ulimit -Hn) or lower \
             the setting"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, needed, "it is not known how many descriptors the system grants"),
    }
}
