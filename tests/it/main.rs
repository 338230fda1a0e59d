//! What Rowcast promises, each promise a file, against real PostgreSQL, real Redis and the real program.

#![expect(unreachable_pub, clippy::unwrap_used, reason = "a test binary has no users, and fails by panicking")]
mod bad_requests;
mod bus;
mod capture;
mod commands;
mod compression;
mod cors;
mod demo;
mod faults;
mod first;
mod handover;
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
mod readme;
mod ready;
mod request_ids;
mod resume;
mod retention;
mod security_headers;
mod settings;
mod settings_table;
mod stream;
mod support;
mod traces;
mod wake;
