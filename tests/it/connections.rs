//! How many connections there may be, and what becomes of those for which there is no place.

use std::{process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::{TcpSocket, TcpStream},
    process::{ChildStderr, Command},
    time::Instant,
};

use crate::support::{
    Node, World, message,
    raw::{LIVE, STREAM, address, ask, connect, read_until, to_end},
    soon, until,
};

/// A stream that is open.
async fn stream(node: &Node) -> TcpStream {
    let mut socket = ask(node, STREAM).await;
    read_until(&mut socket, "resumed\":false}\n\n").await;
    socket
}

/// A connection from another address of this machine.
async fn from(node: &Node, source: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
    let mut socket = socket.connect(address(node).parse().unwrap()).await.unwrap();
    socket.write_all(LIVE.as_bytes()).await.unwrap();
    socket
}

/// The connection was answered by a problem with this status and type, and closed in good order.
async fn refused(mut socket: TcpStream, status: &str, kind: &str) {
    let mut said = String::new();
    soon("the end", socket.read_to_string(&mut said)).await.expect("it is not reset");
    let (head, body) = said.split_once("\r\n\r\n").expect("an answer");
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    assert!(head.contains("\r\nretry-after: ") && head.contains("application/problem+json"), "{head}");
    assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{head}");
    let problem: Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["type"], format!("urn:rowcast:problem:{kind}"));
    assert_eq!(problem["status"].to_string(), status);
}

/// Waits until there is a place again.
async fn taken_again(node: &Node) {
    until("there is a place again", async || {
        to_end(ask(node, LIVE.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await).await.0.contains("200 OK")
    })
    .await;
}

#[tokio::test]
async fn a_node_takes_so_many_connections_and_tells_the_others() {
    let world = World::new().await;
    for writers in ["0", "2"] {
        let node = world.node_with(&[("MAX_CONNECTIONS", "3"), ("WRITERS", writers)]).await;
        let mut streams = vec![stream(&node).await, stream(&node).await, stream(&node).await];
        refused(ask(&node, LIVE).await, "503", "unavailable").await;
        // Who was there before notices nothing, and whoever goes leaves a place.
        world.sql("insert into messages (content, sender_id) values ('goes on', gen_random_uuid())").await;
        for stream in &mut streams {
            read_until(stream, "goes on").await;
        }
        drop(streams.pop());
        taken_again(&node).await;
    }
}

#[tokio::test]
async fn whatever_the_write_timeout_sockets_can_be_set_to_it() {
    let world = World::new().await;
    for timeout in ["500ms", "10h"] {
        let node = world.node_with(&[("WRITE_TIMEOUT", timeout)]).await;
        read_until(&mut ask(&node, LIVE).await, "200 OK").await;
    }
}

#[tokio::test]
async fn a_client_that_reads_its_refusal_gets_it_from_a_library_too() {
    let world = World::new().await;
    let node = world.node_with(&[("MAX_CONNECTIONS", "1")]).await;
    let _stream = stream(&node).await;
    for _ in 0..20 {
        let answer = node.post("/message", &message("no place")).await;
        assert_eq!(answer.status, 503);
        assert!(answer.headers.contains_key("retry-after"));
    }
    // So does who has much to say, and reads only then.
    let much =
        format!("POST /message HTTP/1.1\r\nHost: here\r\nContent-Length: 1048576\r\n\r\n{}", "x".repeat(1 << 20));
    refused(ask(&node, much).await, "503", "unavailable").await;
}

#[tokio::test]
async fn an_address_has_only_so_many_connections_streams_among_them() {
    let world = World::new().await;
    let node = world.node_with(&[("MAX_CONNECTIONS_PER_ADDRESS", "2")]).await;
    let streams = (stream(&node).await, stream(&node).await);
    refused(ask(&node, LIVE).await, "429", "too-many").await;
    read_until(&mut from(&node, "127.0.0.2").await, "200 OK").await;
    drop(streams);
    taken_again(&node).await;
}

#[tokio::test]
async fn thousands_that_are_refused_cost_little_and_hinder_nobody() {
    let world = World::new().await;
    let node = world.node_with(&[("MAX_CONNECTIONS", "1")]).await;
    let mut reader = stream(&node).await;
    let worked = processor_time(&node);
    let mut refused = Vec::new();
    for _ in 0..3000 {
        refused.push(ask(&node, LIVE).await);
    }
    world.sql("insert into messages (content, sender_id) values ('not hindered', gen_random_uuid())").await;
    read_until(&mut reader, "not hindered").await;
    let ends = refused.into_iter().map(to_end);
    futures_util::future::join_all(ends).await;
    let worked = processor_time(&node) - worked;
    assert!(worked < Duration::from_secs(2), "{worked:?} for 3000");
}

/// A node that the system grants so many descriptors, and what it logs.
async fn limited(
    world: &World,
    soft: u32,
    hard: u32,
    settings: &[(&str, &str)],
) -> (Node, Lines<BufReader<ChildStderr>>) {
    let program = Node::command("serve");
    let mut command = Command::new("prlimit");
    command.env_clear().arg(format!("--nofile={soft}:{hard}")).arg(program.as_std().get_program()).arg("serve");
    command.env("PATH", std::env::var_os("PATH").unwrap()).stderr(Stdio::piped());
    let mut node = Node::run(command, world, settings).await;
    let log = BufReader::new(node.process.stderr.take().unwrap()).lines();
    (node, log)
}

async fn line(log: &mut Lines<BufReader<ChildStderr>>, words: &str) -> String {
    soon("the line of the log", async {
        loop {
            let line = log.next_line().await.unwrap().expect("it runs");
            if line.contains(words) {
                return line;
            }
        }
    })
    .await
}

fn descriptors(node: &Node) -> (usize, String) {
    let open = std::fs::read_dir(format!("/proc/{}/fd", node.id())).unwrap().count();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", node.id())).unwrap();
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    (open, limit.split_whitespace().next().unwrap().to_owned())
}

#[tokio::test]
async fn a_node_takes_all_descriptors_it_may_have_and_says_when_they_are_too_few() {
    let world = World::new().await;
    let (node, mut log) = limited(&world, 100, 600, &[("MAX_CONNECTIONS", "500"), ("LOG_FORMAT", "json")]).await;
    let said: Value = serde_json::from_str(&line(&mut log, "descriptors").await).unwrap();
    let said = &said["fields"];
    assert_eq!((&said["granted"], &said["connections"]), (&600.into(), &500.into()));
    assert!(said["needed"].as_u64().unwrap() > 600, "{said}");
    assert_eq!(descriptors(&node).1, "600");
}

#[tokio::test]
async fn without_a_descriptor_left_it_says_so_waits_and_goes_on() {
    let world = World::new().await;
    let (node, mut log) = limited(&world, 150, 150, &[]).await;
    let mut clients = Vec::new();
    for _ in 0..200 {
        clients.push(connect(&node).await);
    }
    until("all are taken", async || descriptors(&node).0 >= 150).await;
    let failed = line(&mut log, "could not be accepted").await;
    assert!(failed.contains("Too many open files"), "{failed}");
    let (since, worked) = (Instant::now(), processor_time(&node));
    // The pause between two attempts becomes as long as a second.
    for _ in 0..2 {
        line(&mut log, "could not be accepted").await;
    }
    let busy = (processor_time(&node) - worked).as_secs_f64() / since.elapsed().as_secs_f64();
    assert!(busy < 0.5 || since.elapsed() < Duration::from_millis(100), "it took {busy} of a processor");
    drop(clients);
    assert_eq!(node.get("/health/live").await.status, 200);
}

/// What a node has used of the processors.
fn processor_time(node: &Node) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", node.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    Duration::from_millis((fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10)
}
