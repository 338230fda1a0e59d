//! What Rowcast promises, each promise a file, against real PostgreSQL, real Redis and the real program.

#![expect(unreachable_pub, clippy::unwrap_used, reason = "a test binary has no users, and fails by panicking")]
mod admin;
mod bad_requests;
mod bus;
mod capture;
mod commands;
mod demo;
mod deploy;
mod faults;
mod first;
mod handover;
mod large;
mod layers;
mod leading;
mod message;
mod metrics;
mod omitted;
mod openapi;
mod oracle;
mod outage;
mod pace;
mod pagination;
mod posting_together;
mod problems;
mod readme;
mod ready;
mod resume;
mod retention;
mod security;
mod settings;
mod settings_table;
mod stages;
mod stream;
mod support;
mod wake;
