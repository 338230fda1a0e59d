//! Replies that a model writes.

pub mod model;
