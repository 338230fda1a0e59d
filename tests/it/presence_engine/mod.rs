//! Who is in a room is known on every node, and told once.

mod behind;
mod deaths;
mod house;
mod transitions;
mod weather;
