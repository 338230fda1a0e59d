//! Rowcast broadcasts the changes of a Postgres table to every subscriber of a stream, once, in order.

pub mod api;
pub mod app;
pub mod change;
pub mod cli;
pub mod config;
pub mod cursor;
pub mod demo;
pub mod dev;
pub mod edge;
pub mod frame;
pub mod health;
pub mod hub;
pub mod intake;
pub mod message;
mod mistakes;
pub mod redis;
pub mod relay;
pub mod store;
pub mod timestamp;
