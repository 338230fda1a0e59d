//! What Rowcast promises, each promise a file, against real PostgreSQL, real Redis and the real program.

#![expect(unreachable_pub, clippy::unwrap_used, reason = "a test binary has no users, and fails by panicking")]
mod bad_requests;
mod bus;
mod capture;
mod client_address;
mod commands;
mod demo;
mod faults;
mod first;
mod handover;
mod idempotency;
mod large;
mod layers;
mod leading;
mod message;
mod omitted;
mod openapi;
mod oracle;
mod outage;
mod pace;
mod pagination;
mod posting_together;
mod problems;
mod rate_limits;
mod readme;
mod ready;
mod resume;
mod retention;
mod settings;
mod settings_table;
mod stream;
mod support;
mod wake;
