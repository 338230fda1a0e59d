//! The roles that this program plays in processes of its own, so that each can be weighed alone: it starts itself again.

mod client;
pub mod crowd;
pub mod limit;
pub mod poster;
pub mod producer;
pub mod sockets;
pub mod text;

use std::{
    io::{BufRead, stdin},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
};

use mio::{Waker, net::TcpStream};
use serde::de::DeserializeOwned;
use socket2::{Domain, Socket, Type};

/// Connections from one address: the system has a port for each.
const PER_SOURCE: usize = 15_000;

/// The orders of the parent, one in a line of standard input; each rouses the role.
fn orders<T: DeserializeOwned + Send + 'static>(waker: Arc<Waker>) -> Receiver<T> {
    let (send, orders) = channel();
    std::thread::spawn(move || {
        for line in stdin().lock().lines() {
            let order = serde_json::from_str(&line.unwrap()).unwrap();
            send.send(order).unwrap();
            waker.wake().unwrap();
        }
        // The parent has gone.
        std::process::exit(0);
    });
    orders
}

/// The connection of this number, on its way. It has an address of this role's own: ports that an earlier one has used
/// are not free for a minute.
fn connect(to: SocketAddr, number: usize) -> TcpStream {
    let [.., high, low] = std::process::id().to_be_bytes();
    let source = Ipv4Addr::new(127, high, low, 2 + (number / PER_SOURCE) as u8);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(IpAddr::V4(source), 0).into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let _under_way = socket.connect(&to.into());
    TcpStream::from_std(socket.into())
}

/// Tells the parent something.
fn say(answer: &impl serde::Serialize) {
    println!("{}", serde_json::to_string(answer).unwrap());
}

/// Nanoseconds since 1970, as all processes of a machine agree on them.
pub fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64
}
