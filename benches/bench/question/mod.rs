//! The questions.

pub mod fanout;
mod growth;
mod idle;
mod latency;
mod memory;
mod pages;
mod posts;
mod relay;
mod resume;
mod rooms;
mod sessions;
mod sockets;

use futures_util::future::{FutureExt, LocalBoxFuture};

use crate::{
    process::{Place, Role},
    report::Report,
    role::crowd::{Counted, Order, Plan},
    server::{Backend, Server},
};

type Ask = for<'a> fn(&'a Backend, &'a mut Report) -> LocalBoxFuture<'a, ()>;

/// All of them, by name.
pub const ALL: &[(&str, Ask)] = &[
    ("fanout", |backend, report| fanout::ask(backend, report).boxed_local()),
    ("memory", |backend, report| memory::ask(backend, report).boxed_local()),
    ("latency", |backend, report| latency::ask(backend, report).boxed_local()),
    ("relay", |backend, report| relay::ask(backend, report).boxed_local()),
    ("idle", |backend, report| idle::ask(backend, report).boxed_local()),
    ("pages", |backend, report| pages::ask(backend, report).boxed_local()),
    ("posts", |backend, report| posts::ask(backend, report).boxed_local()),
    ("resume", |backend, report| resume::ask(backend, report).boxed_local()),
    ("rooms", |backend, report| rooms::ask(backend, report).boxed_local()),
    ("sessions-appends", |backend, report| sessions::appends::ask(backend, report).boxed_local()),
    ("sessions-lag", |backend, report| sessions::lag::ask(backend, report).boxed_local()),
    ("sessions-load", |backend, report| sessions::load::ask(backend, report).boxed_local()),
    ("sockets-memory", |backend, report| sockets::memory::ask(backend, report).boxed_local()),
    ("sockets-traffic", |backend, report| sockets::traffic::ask(backend, report).boxed_local()),
    ("growth", |backend, report| growth::ask(backend, report).boxed_local()),
];

/// Subscribers of a server, on their way.
fn begin(server: &dyn Server, count: usize, paths: Vec<String>, headers: &str) -> Role {
    let (address, connecting, headers) = (server.address(), server.connecting(), headers.to_owned());
    let plan = Plan { address, count, connecting, paths, headers, naps: true, reads: false };
    Role::play("crowd", &plan, Place::Elsewhere)
}

/// Subscribers of a server, all there when this returns.
async fn crowd(server: &dyn Server, count: usize, paths: Vec<String>, headers: &str) -> Role {
    let mut crowd = begin(server, count, paths, headers);
    let there: String = crowd.says();
    assert_eq!(there, "all are there");
    crowd
}

/// What came since the last time.
fn count(crowd: &mut Role) -> Counted {
    crowd.order(&Order::Count);
    crowd.says()
}
