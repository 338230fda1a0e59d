//! Whoever reads a session gets each of its chunks once and in order, on any node, and how it ended; and leaves nothing
//! behind.

mod chaos;
mod ending;
pub mod hall;
mod reading;
mod sending_away;
