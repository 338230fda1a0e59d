//! Who comes and goes, as the others in the room are told: with the first connection of a user, and with the last.

use std::time::Duration;

use reqwest::StatusCode;
use tokio::time::Instant;

use super::{Reader, being, quick, there, until_there, watching};
use crate::support::{message_in, until};

#[tokio::test]
async fn the_first_connection_of_a_user_is_told_to_the_others_and_the_second_is_not() {
    let (_world, node) = quick().await;
    let mut other = Reader::open(&node, &watching(&["a"])).await;
    assert_eq!(other.next().await, "a = ");
    let _one = node.stream(&being(1, &["a"])).await;
    assert_eq!(other.next().await, "a +1");
    let _two = node.stream(&being(1, &["a"])).await;
    until_there(&node, "a", &[(1, 2)]).await;
    let _next = node.stream(&being(2, &["a"])).await;
    assert_eq!(other.next().await, "a +2", "nothing was told of the second connection");
}

#[tokio::test]
async fn the_last_connection_that_goes_is_told_after_the_grace_and_no_other() {
    let (_world, node) = quick().await;
    let mut other = Reader::open(&node, &watching(&["a"])).await;
    let (one, two) = (node.stream(&being(1, &["a"])).await, node.stream(&being(1, &["a"])).await);
    until_there(&node, "a", &[(1, 2)]).await;
    other.until("a", &[1]).await;
    drop(one);
    until_there(&node, "a", &[(1, 1)]).await;
    let mut fence = Reader::open(&node, &being(2, &["a"])).await;
    fence.until("a", &[1, 2]).await;
    assert_eq!(other.next().await, "a +2", "one of two connections is gone, and nobody is told");
    let since = Instant::now();
    drop(two);
    assert_eq!(other.next().await, "a -1");
    let grace = Duration::from_secs(1);
    assert!((grace..8 * grace).contains(&since.elapsed()), "{:?}", since.elapsed());
    assert_eq!(there(&node, "a").await, (1, vec![("2".to_owned(), 1)]));
    assert_eq!(fence.next().await, "a -1");
}

#[tokio::test]
async fn who_comes_back_within_the_grace_was_never_gone() {
    let (_world, node) = quick().await;
    let mut other = Reader::open(&node, &watching(&["a"])).await;
    let mut stream = node.stream(&being(1, &["a"])).await;
    other.until("a", &[1]).await;
    for _ in 0..5 {
        drop(stream);
        until("it is gone", async || node.subscribers().await == 1).await;
        stream = node.stream(&being(1, &["a"])).await;
    }
    // Whoever comes after it, and has gone for good, is told of; what came before would have been told before.
    let fence = node.stream(&being(2, &["a"])).await;
    assert_eq!(other.next().await, "a +2");
    drop(fence);
    assert_eq!(other.next().await, "a -2");
    until_there(&node, "a", &[(1, 1)]).await;
}

#[tokio::test]
async fn a_stream_of_two_rooms_is_in_both_and_is_told_of_both() {
    let (_world, node) = quick().await;
    let mut both = Reader::open(&node, &being(1, &["a", "b", "a"])).await;
    both.until("a", &[1]).await;
    both.until("b", &[1]).await;
    let mut one = Reader::open(&node, &being(2, &["b"])).await;
    one.until("b", &[1, 2]).await;
    assert_eq!(both.next().await, "b +2");
    until_there(&node, "a", &[(1, 1)]).await;
    until_there(&node, "b", &[(1, 1), (2, 1)]).await;
    assert!(!one.rooms.contains_key("a"), "what is not its room is not told");
    drop(both);
    assert_eq!(one.next().await, "b -1");
    until_there(&node, "a", &[]).await;
}

#[tokio::test]
async fn who_only_watches_is_told_but_not_seen_and_who_does_not_ask_is_neither() {
    let (_world, node) = quick().await;
    let mut watches = Reader::open(&node, &watching(&["a"])).await;
    let mut neither = node.stream(&being(3, &["a"]).replace("presence=true", "presence=false")).await;
    let mut silent = node.stream("?room=a").await;
    let _here = node.stream(&being(1, &["a"])).await;
    watches.until("a", &[1]).await;
    assert_eq!(there(&node, "a").await, (1, vec![("1".to_owned(), 1)]));
    node.say(message_in("a", "the first event")).await;
    for stream in [&mut neither, &mut silent] {
        assert_eq!(stream.next().await.content(), "the first event");
    }
}

#[tokio::test]
async fn who_comes_sees_itself() {
    let (_world, node) = quick().await;
    let mut first = Reader::open(&node, &being(1, &["a"])).await;
    first.until("a", &[1]).await;
    let mut second = Reader::open(&node, &being(2, &["a"])).await;
    assert!(second.next().await.starts_with("a = "), "a state comes first");
    second.until("a", &[1, 2]).await;
    first.until("a", &[1, 2]).await;
}

#[tokio::test]
async fn who_asks_only_for_the_head_of_a_stream_is_nowhere() {
    let (_world, node) = quick().await;
    let mut other = Reader::open(&node, &watching(&["a"])).await;
    let answer = node.http.head(format!("{}/stream{}", node.url, being(1, &["a"]))).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let _next = node.stream(&being(2, &["a"])).await;
    assert_eq!(other.until("a", &[2]).await, ["a = ", "a +2"]);
}
