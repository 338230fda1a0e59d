//! Who is in a room is known on every node, and told once.

mod behind;
mod calls;
mod crowd;
mod deaths;
mod house;
mod model;
mod transitions;
mod weather;
