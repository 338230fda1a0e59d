//! Bad weather: Redis goes away and comes back, with or without what it held. The feed does not mind, and nobody is
//! told of anyone who has not moved.

use super::{QUICK, Reader, being, until_there, watching};
use crate::{
    problems::assert_problem,
    support::{Link, Machine, World, message_in, until},
};

#[tokio::test]
async fn while_redis_is_away_the_stream_opens_and_the_feed_flows_and_presence_comes_later() {
    let world = World::new().await;
    let link = Link::to(&world.redis_url).await;
    let settings = [("REDIS_URL", link.url()), ("LOG", "error")];
    let node = world.node_with(&[&QUICK[..], &settings].concat()).await;
    link.cut();
    let answer = node.get("/room/a/presence").await;
    assert_problem("nobody knows who is there", &answer, 503, "");
    assert!(answer.headers.contains_key("retry-after"));
    let mut reader = Reader::open(&node, &being(1, &["a"])).await;
    node.say(message_in("a", "without Redis")).await;
    assert_eq!(reader.stream.next().await.content(), "without Redis");
    link.mend();
    reader.until("a", &[1]).await;
    until_there(&node, "a", &[(1, 1)]).await;
    node.say(message_in("a", "with it")).await;
    assert_eq!(reader.stream.next().await.content(), "with it");
}

#[tokio::test]
async fn a_node_that_redis_does_not_hear_for_a_while_tells_nobody_of_its_own_that_they_were_gone() {
    let world = World::new().await;
    let (wire, far) = (Link::to(&world.redis_url).await, world.node_with(&QUICK).await);
    let settings = [("REDIS_URL", wire.url()), ("LOG", "error")];
    let near = world.node_with(&[&QUICK[..], &settings].concat()).await;
    let mut own = Reader::open(&near, &being(1, &["a"])).await;
    let mut other = Reader::open(&far, &being(2, &["a"])).await;
    own.until("a", &[1, 2]).await;
    other.until("a", &[1, 2]).await;
    wire.hush();
    // Who is not heard of for so long is taken to be gone, elsewhere.
    assert_eq!(other.next().await, "a -1");
    let come = far.stream(&being(3, &["a"])).await;
    assert_eq!(other.next().await, "a +3");
    let short = far.stream(&being(4, &["a"])).await;
    assert_eq!(other.next().await, "a +4");
    drop(short);
    assert_eq!(other.next().await, "a -4");
    wire.mend();
    assert_eq!(other.next().await, "a +1");
    assert_eq!(own.next().await, "a +3", "who has come and gone meanwhile is not told, nor who has not moved");
    drop(come);
    assert_eq!((own.next().await, other.next().await), ("a -3".to_owned(), "a -3".to_owned()));
    until_there(&near, "a", &[(1, 1), (2, 1)]).await;
}

#[tokio::test]
async fn when_redis_has_lost_all_everyone_is_entered_again_and_nobody_was_gone() {
    let dir = tempfile::tempdir().unwrap();
    let mut redis = Machine::redis(dir.path()).await;
    let world = World::new().await;
    let link = Link::to(redis.url()).await;
    let settings = [("REDIS_URL", link.url()), ("LOG", "error")];
    let settings = [&QUICK[..], &settings].concat();
    let nodes = [world.node_with(&settings).await, world.node_with(&settings).await];
    let mut readers =
        [Reader::open(&nodes[0], &being(1, &["a"])).await, Reader::open(&nodes[1], &being(2, &["a"])).await];
    for reader in &mut readers {
        reader.until("a", &[1, 2]).await;
    }
    link.cut();
    redis.end("KILL").await;
    redis.start().await;
    link.lead_to(redis.url());
    link.mend();
    until("all are entered again", async || {
        let page = nodes[0].get("/room/a/presence").await.body;
        page["count"] == 2
    })
    .await;
    let next = nodes[1].stream(&being(3, &["a"])).await;
    for reader in &mut readers {
        assert_eq!(reader.next().await, "a +3");
    }
    drop(next);
    for reader in &mut readers {
        assert_eq!(reader.next().await, "a -3");
    }
    let late = Reader::open(&nodes[0], &watching(&["a"])).await.until("a", &[1, 2]).await;
    assert_eq!(late, ["a = 1 2"]);
}
