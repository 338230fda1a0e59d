//! The bare loop, as a contestant.

use std::net::SocketAddr;

use futures_util::future::LocalBoxFuture;

use super::{Backend, Load, Past, Server};
use crate::{
    process::{Place, Role},
    role::limit::Order,
};

struct Limit {
    role: Role,
    address: SocketAddr,
    event: String,
}

pub fn start(backend: &Backend) -> impl Server + use<> {
    let mut role = Role::play("limit", &(), Place::Server);
    let port: u16 = role.says();
    Limit { role, address: ([127, 0, 0, 1], port).into(), event: backend.event.clone() }
}

impl Server for Limit {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn path(&self, _room: usize) -> String {
        "/".to_owned()
    }

    fn everything(&self) -> String {
        "/".to_owned()
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.role.id()]
    }

    fn publish(&mut self, Load { events_per_second, rooms }: Load) {
        self.role.order(&Order::Write { events_per_second, rooms, event: self.event.clone() });
    }

    fn past(&mut self, count: usize) -> LocalBoxFuture<'_, Past> {
        self.role.order(&Order::Past { event: self.event.clone(), count });
        Box::pin(async move { Past { path: "/".to_owned(), headers: String::new(), events: count } })
    }
}
