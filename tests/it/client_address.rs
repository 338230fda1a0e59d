//! A client is told from another by where it calls from, and by no header that it writes itself.

use reqwest::StatusCode;

use crate::support::{Answer, Node, World};

/// Two reads for each client, and then none for an hour.
const TWO: [(&str, &str); 2] = [("RATE_READ", "2/1h"), ("REDIS_PATIENCE", "10s")];

async fn node(world: &World, settings: &[(&str, &str)]) -> Node {
    world.node_with(&[&TWO, settings].concat()).await
}

/// How many more reads a client has after one with this header; none if it was refused.
async fn left(node: &Node, header: &str, lines: &[&str]) -> Option<u32> {
    let mut request = node.http.get(format!("{}/message", node.url));
    for line in lines {
        request = request.header(header, *line);
    }
    let answer = Answer::of(request).await;
    let left = answer.headers["ratelimit-remaining"].to_str().unwrap().parse().unwrap();
    match answer.status {
        StatusCode::OK => Some(left),
        StatusCode::TOO_MANY_REQUESTS => None,
        other => panic!("{other}: {}", answer.body),
    }
}

#[tokio::test]
async fn without_proxies_no_header_makes_another_client() {
    let world = World::new().await;
    let node = node(&world, &[]).await;
    assert_eq!(left(&node, "X-Forwarded-For", &["192.0.2.1"]).await, Some(1));
    assert_eq!(left(&node, "Forwarded", &["for=192.0.2.2"]).await, Some(0));
    for forged in ["192.0.2.3", "192.0.2.4, 192.0.2.5", "unknown"] {
        assert_eq!(left(&node, "X-Forwarded-For", &[forged]).await, None, "{forged}");
    }
}

#[tokio::test]
async fn behind_a_proxy_its_clients_are_told_apart_and_no_longer_list_helps() {
    let world = World::new().await;
    for (header, setting, one, two) in [
        ("X-Forwarded-For", "x-forwarded-for", "192.0.2.1", "192.0.2.2"),
        ("Forwarded", "forwarded", "for=198.51.100.1", "for=\"[2001:db8::1]:4711\""),
    ] {
        let node = node(&world, &[("PROXY_HOPS", "1"), ("PROXY_HEADER", setting)]).await;
        assert_eq!(left(&node, header, &[one]).await, Some(1));
        assert_eq!(left(&node, header, &[&format!("{two}, {one}")]).await, Some(0));
        for forged in [format!("{two}, {one}"), format!("\", {one}"), format!("for=\", {two}, {one}")] {
            assert_eq!(left(&node, header, &[&forged]).await, None, "{forged}");
        }
        assert_eq!(left(&node, header, &[two, one]).await, None, "in a line of its own");
        assert_eq!(left(&node, header, &[two]).await, Some(1));
    }
}

#[tokio::test]
async fn only_the_header_that_the_proxies_write_is_believed() {
    let world = World::new().await;
    let node = node(&world, &[("PROXY_HOPS", "1"), ("PROXY_HEADER", "forwarded")]).await;
    for (forged, rest) in [("192.0.2.1", Some(1)), ("192.0.2.2", Some(0)), ("192.0.2.3", None)] {
        assert_eq!(left(&node, "X-Forwarded-For", &[forged]).await, rest);
    }
}

#[tokio::test]
async fn a_network_of_ipv6_is_one_client() {
    let world = World::new().await;
    let node = node(&world, &[("PROXY_HOPS", "1")]).await;
    let header = "X-Forwarded-For";
    for (address, rest) in [("2001:db8::1", Some(1)), ("2001:db8::ffff:2", Some(0)), ("2001:db8:0:0:9::", None)] {
        assert_eq!(left(&node, header, &[address]).await, rest);
    }
    assert_eq!(left(&node, header, &["2001:db8:0:1::1"]).await, Some(1));
    assert_eq!(left(&node, header, &["192.0.2.1"]).await, Some(1));
    assert_eq!(left(&node, header, &["::ffff:192.0.2.1"]).await, Some(0));
}
