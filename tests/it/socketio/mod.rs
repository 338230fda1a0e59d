//! Socket.IO, by a client that can do what no library would.

mod bounds;
mod contract;
mod door;
mod ends;
mod hostile;
