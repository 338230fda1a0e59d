//! What Rowcast promises, each promise a file, against real PostgreSQL, real Redis and the real program.

#![expect(
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    reason = "a test binary has no users, and fails by panicking"
)]
mod first;
mod support;
mod settings_table;
