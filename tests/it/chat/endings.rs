//! A node may die or go amid a reply: readers elsewhere are told, and what can be finished is.

use std::time::Duration;

use futures_util::stream;
use tokio::{net::TcpStream, sync::oneshot, time::Instant};

use super::*;
use crate::{problems::assert_problem, support::raw::address};

/// A node that goes at once, but for its replies.
const BRISK: (&str, &str) = ("DRAIN", "100ms");

/// Two nodes; the first makes a reply, of which a reader at the second has the first chunk.
async fn under_way(
    script: Script,
    first: &[(&str, &str)],
    both: &[(&str, &str)],
) -> (World, Upstream, [Node; 2], String, Reading) {
    let (world, upstream, one) = stage([script], &[first, both].concat()).await;
    let two = node(&world, &upstream, both).await;
    let id = ask(&one, &saying("hello")).await;
    let mut reader = follow(&two, &id, None).await;
    reader.reach(0).await;
    (world, upstream, [one, two], id, reader)
}

async fn closed(node: &Node) {
    until("nobody is let in", async || TcpStream::connect(address(node)).await.is_err()).await;
}

#[tokio::test]
async fn where_the_node_dies_readers_elsewhere_are_told_after_the_silence() {
    let both = [("SESSION_IDLE_TIMEOUT", "2s"), ("SESSION_REAP_INTERVAL", "200ms")];
    let (world, _upstream, [one, two], id, mut reader) = under_way(held(), &[], &both).await;
    let since = Instant::now();
    one.signal("KILL");
    assert_failed(&reader.last().await, "producer_timeout", "");
    assert!(since.elapsed() > Duration::from_secs(1), "{:?}", since.elapsed());
    assert_eq!(look(&two, &id).await["head"], 0);
    assert_eq!(written(&world).await, [said("hello")]);
}

#[tokio::test]
async fn a_node_that_goes_finishes_what_is_under_way() {
    let (world, upstream, [mut one, _two], id, mut reader) = under_way(on_cue(&["a", "b"]), &[BRISK], &[]).await;
    one.signal("TERM");
    closed(&one).await;
    upstream.cue();
    reader.reach(1).await;
    upstream.cue();
    assert_eq!(reader.last().await.name, "message_complete");
    assert_eq!(soon("it ends", one.process.wait()).await.unwrap().code(), Some(0));
    assert_eq!(written(&world).await, [said("hello"), replied(&id, "ab")]);
}

#[tokio::test]
async fn what_is_not_finished_within_the_grace_fails_and_the_node_is_gone_in_time() {
    let times = [BRISK, ("LLM_GRACE", "1s"), ("DRAIN_GRACE", "1s")];
    let (world, upstream, [mut one, _two], _id, mut reader) = under_way(held(), &times, &[]).await;
    let since = Instant::now();
    one.signal("TERM");
    assert_failed(&reader.last().await, "node_shutdown", "");
    upstream.is_left(1).await;
    assert_eq!(soon("it ends", one.process.wait()).await.unwrap().code(), Some(0));
    let took = since.elapsed();
    // The grace, and all that may come before and after it.
    assert!((Duration::from_secs(1)..Duration::from_secs(6)).contains(&took), "{took:?}");
    assert_eq!(written(&world).await, [said("hello")]);
}

#[tokio::test]
async fn a_node_that_goes_begins_no_reply() {
    let (world, upstream, node) = stage([held()], &[("DRAIN", "1h")]).await;
    let (rest, body) = oneshot::channel::<Result<String, Infallible>>();
    let request = node.http.post(format!("{}/chat", node.url)).header("content-type", "application/json");
    let late =
        tokio::spawn(Answer::of(request.body(reqwest::Body::wrap_stream(stream::once(async { body.await.unwrap() })))));
    until("it is under way", async || node.get("/health").await.status == StatusCode::OK).await;
    // A stream keeps the node there.
    let _stream = node.stream("").await;
    node.signal("TERM");
    closed(&node).await;
    rest.send(Ok(saying("late").to_string())).unwrap();
    let refused = late.await.unwrap();
    assert_problem("a reply that would be cut off", &refused, 503, "");
    assert_eq!(header(&refused, "retry-after"), Some("1"));
    assert!(upstream.asked().is_empty() && written(&world).await.is_empty());
}
