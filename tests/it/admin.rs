//! A listener of its own for those who look after the node: what it tells, and that it is nobody else's.

use futures_util::future::join_all;
use reqwest::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Figures, Node, World, message, soon};

/// The statuses of these paths at an address.
async fn statuses<const N: usize>(node: &Node, url: &str, paths: [&str; N]) -> [u16; N] {
    let mut found = [0; N];
    for (status, path) in found.iter_mut().zip(paths) {
        let answer = soon("an answer", node.http.get(format!("{url}{path}")).send()).await.unwrap();
        *status = answer.status().as_u16();
    }
    found
}

#[tokio::test]
async fn with_a_port_of_their_own_metrics_and_report_are_there_and_nowhere_else() {
    let world = World::new().await;
    let node = world.node_with(&[("ADMIN_PORT", "0")]).await;
    let admin = node.admin.clone().expect("the second line says where");
    assert!(admin.starts_with("http://127.0.0.1:") && admin != node.url, "{admin}");
    let paths = ["/metrics", "/health", "/health/live", "/health/ready", "/message", "/stream", "/docs"];
    assert_eq!(statuses(&node, &admin, paths).await, [200, 200, 200, 200, 404, 404, 404]);
    let paths = ["/metrics", "/health", "/health/live", "/health/ready", "/message"];
    assert_eq!(statuses(&node, &node.url, paths).await, [404, 404, 200, 200, 200]);
    let document = node.get("/openapi.json").await.body;
    assert!(document["paths"]["/metrics"].is_null() && document["paths"]["/health/live"].is_object());

    let mut stream = node.stream("").await;
    node.say(message("one")).await;
    stream.next().await;
    let figures = Figures::at(&node, &admin).await;
    assert_eq!(figures.one("rowcast_deliveries_total"), 1.0);
    // Whoever looks is not counted among those who are looked at.
    assert!(!figures.text.contains("route=\"/metrics\""));
    let wrong = node.http.post(format!("{admin}/metrics")).send().await.unwrap();
    assert_eq!((wrong.status(), &wrong.headers()["allow"]), (StatusCode::METHOD_NOT_ALLOWED, &"GET".parse().unwrap()));
}

/// Asks whether the node lives; the status line of the answer.
async fn asks(socket: &mut TcpStream) -> String {
    socket.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    answer(socket).await
}

async fn answer(socket: &mut TcpStream) -> String {
    let mut read = [0; 1024];
    let length = soon("an answer", socket.read(&mut read)).await.unwrap();
    String::from_utf8_lossy(&read[..length]).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn administrators_are_few_and_the_next_one_waits_for_a_place() {
    let world = World::new().await;
    let node = world.node_with(&[("ADMIN_PORT", "0")]).await;
    let admin = node.admin.clone().unwrap().replace("http://", "");
    let mut few: Vec<TcpStream> =
        join_all((0..64).map(|_| TcpStream::connect(&admin))).await.into_iter().map(Result::unwrap).collect();
    for socket in &mut few {
        assert_eq!(asks(socket).await, "HTTP/1.1 200 OK");
    }
    let mut next = TcpStream::connect(&admin).await.unwrap();
    next.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    for socket in &mut few {
        assert_eq!(asks(socket).await, "HTTP/1.1 200 OK");
    }
    let early = next.try_read(&mut [0; 1]);
    assert_eq!(early.unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "there was no place");
    few.pop();
    assert_eq!(answer(&mut next).await, "HTTP/1.1 200 OK");
    // Clients have places of their own.
    assert_eq!(node.get("/health/live").await.status, StatusCode::OK);
}

#[tokio::test]
async fn without_one_all_is_on_the_one_port() {
    let (_world, node) = World::with_node().await;
    assert_eq!(node.admin, None);
    assert_eq!(statuses(&node, &node.url, ["/metrics", "/health", "/health/ready"]).await, [200; 3]);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_its_setting() {
    let world = World::new().await;
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = Node::command("serve");
    command.env("DATABASE_URL", &world.database_url).env("REDIS_URL", &world.redis_url);
    command.env("PORT", "0").env("ADMIN_PORT", &port);
    let output = soon("it ends", command.kill_on_drop(true).output()).await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains(&port) && said.contains("--admin-port or ADMIN_PORT"), "{said}");
}
