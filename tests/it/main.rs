//! What Rowcast promises, each promise a file, against real PostgreSQL, real Redis and the real program.

#![expect(unreachable_pub, clippy::unwrap_used, reason = "a test binary has no users, and fails by panicking")]
mod bad_requests;
mod bus;
mod capture;
mod carriers;
mod commands;
mod demo;
mod expiry;
mod faults;
mod first;
mod handover;
mod identity;
mod jwks;
mod large;
mod layers;
mod leading;
mod message;
mod minting;
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
mod rights;
mod settings;
mod settings_table;
mod stream;
mod support;
mod wake;
