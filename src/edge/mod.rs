//! The edge: how connections come in.

mod accept;

pub use accept::{Acceptor, Options};
