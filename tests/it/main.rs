//! What Rowcast promises, each promise a file, against real PostgreSQL, real Redis and the real program.

#![expect(
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    reason = "a test binary has no users, and fails by panicking"
)]
mod first;
mod layers;
mod message;
mod openapi;
mod outage;
mod pagination;
mod problems;
mod settings;
mod settings_table;
mod support;
