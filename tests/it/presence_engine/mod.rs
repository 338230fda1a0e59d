//! Who is in a room is known on every node, and told once.

mod house;
mod transitions;
