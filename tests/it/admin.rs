//! A listener of its own for those who look after the node: what it tells, and that it is nobody else's.

use reqwest::StatusCode;

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
