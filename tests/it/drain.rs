//! A node that is told to go lets everyone out: it is not ready first, then takes nobody more, sends its streams away
//! over a while, answers what is under way, and ends.

use std::time::Duration;

use futures_util::{future::join_all, stream};
use reqwest::{Client, StatusCode};
use tokio::{net::TcpStream, sync::oneshot, task::JoinHandle, time::Instant};

use crate::{
    support::{
        Answer, Events, Node, World, message,
        raw::{LIVE, address, ask, connect, read_until, to_end},
        soon, until,
    },
    tls::Authority,
};

const SECOND: Duration = Duration::from_secs(1);

/// Waits until the node takes no connection any more.
async fn closed(node: &Node) {
    until("nobody is let in", async || TcpStream::connect(address(node)).await.is_err()).await;
}

#[tokio::test]
async fn for_the_delay_it_says_that_it_is_not_ready_and_all_else_goes_on() {
    let world = World::new().await;
    let node = world.node_with(&[("DRAIN_DELAY", "1h")]).await;
    until("the node is ready", async || node.get("/health/ready").await.status == StatusCode::OK).await;
    let mut stream = node.stream("").await;
    node.signal("TERM");
    // A balancer that sends clients here must learn that it should not, and until then nobody may get an error.
    until("it is not ready", async || node.get("/health/ready").await.status == StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(node.get("/health/ready").await.body["reasons"][0], "the node is shutting down");
    read_until(&mut ask(&node, LIVE).await, "200 OK").await;
    let mut late = node.stream("").await;
    node.say(message("still taken")).await;
    assert_eq!(stream.next().await.content(), "still taken");
    assert_eq!(late.next().await.content(), "still taken");
}

#[tokio::test]
async fn then_nobody_is_let_in_and_who_is_idle_is_let_out() {
    let world = World::new().await;
    let node = world.node_with(&[("DRAIN", "1h")]).await;
    let mut streams = Vec::new();
    for _ in 0..16 {
        streams.push(node.stream("").await);
    }
    let mut idle = ask(&node, LIVE).await;
    read_until(&mut idle, "}").await;
    let begun = ask(&node, "GET /hea").await;
    let silent = connect(&node).await;
    node.signal("TERM");
    closed(&node).await;
    for socket in [idle, begun, silent] {
        let (_, lasted) = to_end(socket).await;
        assert!(lasted < 5 * SECOND, "{lasted:?}");
    }
    // The streams are still there, but for a part of them.
    assert_eq!(streams[0].next().await.kind(), "bye");
    world.sql("insert into messages (content, sender_id) values ('goes on', gen_random_uuid())").await;
    assert_eq!(streams[15].next().await.content(), "goes on");
}

/// Reads a stream to its end: when its `bye` came, the last id, and what else came.
fn followed(mut stream: Events) -> JoinHandle<(Instant, String, Vec<String>)> {
    tokio::spawn(async move {
        let (mut bye, mut contents) = (None, Vec::new());
        while let Some(event) = soon("an event or the end", stream.try_next()).await {
            match event.kind().as_str() {
                "bye" => bye = Some(Instant::now()),
                _ => contents.push(event.content()),
            }
        }
        (bye.expect("it was sent away"), stream.last_event_id.clone(), contents)
    })
}

/// Posts to a node, one message after the other, until it is told to stop; what was taken, in order.
fn posting(node: &Node) -> (oneshot::Sender<()>, JoinHandle<Vec<String>>) {
    let (url, http) = (format!("{}/message", node.url), node.http.clone());
    let (stop, mut stopped) = oneshot::channel();
    let posts = tokio::spawn(async move {
        let mut taken = Vec::new();
        while stopped.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
            let content = format!("number {}", taken.len());
            let answer = Answer::of(http.post(&url).json(&message(&content))).await;
            assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
            taken.push(content);
        }
        taken
    });
    (stop, posts)
}

/// A request whose body comes when it is sent: longer after its head than all byes take, sooner than the grace ends.
fn slow_post(node: &Node) -> (oneshot::Sender<String>, JoinHandle<Answer>) {
    let (rest, body) = oneshot::channel();
    let request = node.http.post(format!("{}/message", node.url)).header("content-type", "application/json");
    let request = request.body(reqwest::Body::wrap_stream(stream::once(body)));
    (rest, tokio::spawn(Answer::of(request)))
}

/// Under load, a node goes, and another one stays: everyone is told, over the window, and nobody misses anything.
async fn goes_in_good_order(world: &World, mut node: Node) {
    const STREAMS: usize = 32;
    let other = world.node().await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        streams.push(node.stream("").await);
    }
    let readers: Vec<_> = streams.into_iter().map(followed).collect();
    let (stop, posts) = posting(&other);
    let (rest, slow) = slow_post(&node);
    until("some are taken", async || other.get("/message").await.body["messages"].as_array().unwrap().len() > 2).await;
    let since = Instant::now();
    node.signal("TERM");
    closed(&node).await;
    assert!(since.elapsed() < 2 * SECOND, "{:?}", since.elapsed());

    let ends: Vec<_> = join_all(readers).await.into_iter().map(Result::unwrap).collect();
    let mut byes: Vec<Duration> = ends.iter().map(|(bye, ..)| *bye - since).collect();
    byes.sort();
    assert!(byes[STREAMS - 1] - byes[0] > SECOND, "all at once: {byes:?}");
    assert!(byes[STREAMS / 2] > byes[0] + SECOND / 2, "most at once: {byes:?}");
    // The window has passed, and the grace has begun.
    tokio::time::sleep_until(since + 3 * SECOND).await;
    rest.send(message("under way").to_string()).unwrap();
    assert_eq!(slow.await.unwrap().status, StatusCode::CREATED);
    assert_eq!(soon("it ends", node.process.wait()).await.unwrap().code(), Some(0));
    assert!(since.elapsed() < 15 * SECOND, "{:?}", since.elapsed());

    stop.send(()).unwrap();
    let taken = posts.await.unwrap();
    for (_, last, mut contents) in ends {
        let mut again = other.open("", Some(&last)).await;
        assert_eq!(again.next().await.data()["resumed"], true);
        contents.retain(|content| content != "under way");
        while contents.last() != taken.last() {
            let content = again.next().await.content();
            if content != "under way" {
                contents.push(content);
            }
        }
        // It came while the first ones were taken.
        assert!(taken.ends_with(&contents) && taken.len() - contents.len() < 5, "{contents:?}");
    }
}

const SETTINGS: (&str, &str) = ("DRAIN", "2s");

#[tokio::test]
async fn streams_of_plain_http_are_sent_away_over_the_window_whoever_writes_them() {
    for writers in ["0", "2"] {
        let world = World::new().await;
        let node = world.node_with(&[SETTINGS, ("WRITERS", writers)]).await;
        goes_in_good_order(&world, node).await;
    }
}

#[tokio::test]
async fn streams_of_http2_are_sent_away_over_the_window() {
    let world = World::new().await;
    let mut node = world.node_with(&[SETTINGS]).await;
    node.http = Client::builder().http2_prior_knowledge().build().unwrap();
    goes_in_good_order(&world, node).await;
}

#[tokio::test]
async fn streams_over_tls_are_sent_away_over_the_window() {
    let (world, authority) = (World::new().await, Authority::new());
    let node = authority.node(&world, &[SETTINGS]).await;
    goes_in_good_order(&world, node).await;
}

#[tokio::test]
async fn what_does_not_end_within_the_grace_is_cut_off() {
    let world = World::new().await;
    let mut node = world.node_with(&[("DRAIN", "100ms"), ("DRAIN_GRACE", "1s")]).await;
    let head = "POST /message HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n";
    // Its body never comes.
    let hanging = ask(&node, head).await;
    read_until(&mut ask(&node, LIVE).await, "200 OK").await;
    let since = Instant::now();
    node.signal("TERM");
    assert_eq!(soon("it ends", node.process.wait()).await.unwrap().code(), Some(0));
    assert!((SECOND..10 * SECOND).contains(&since.elapsed()), "{:?}", since.elapsed());
    drop(hanging);
}

#[tokio::test]
async fn the_second_signal_ends_it_at_once_under_load_too() {
    let world = World::new().await;
    let mut node = world.node_with(&[("DRAIN", "1h"), ("DRAIN_DELAY", "1h")]).await;
    let mut streams = Vec::new();
    for _ in 0..16 {
        streams.push(node.stream("").await);
    }
    let load: Vec<_> = (0..4)
        .map(|_| {
            let request = node.http.post(format!("{}/message", node.url)).json(&message("load"));
            tokio::spawn(async move { while request.try_clone().unwrap().send().await.is_ok() {} })
        })
        .collect();
    streams[0].next().await;
    node.signal("TERM");
    until("it is not ready", async || node.get("/health/ready").await.status == StatusCode::SERVICE_UNAVAILABLE).await;
    node.signal("TERM");
    assert_eq!(soon("it ends", node.process.wait()).await.unwrap().code(), Some(130));
    join_all(load).await;
}
