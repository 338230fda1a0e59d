//! Any node tells of all nodes: how each is, who leads, and which one has fallen silent.

use std::{collections::BTreeSet, time::Duration};

use redis::AsyncCommands;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{Link, Node, SENDER, World, message, message_in, socket::Socket, until};

/// How long a node is told of that is not heard, and how much longer at most: a beat, and a reading of it.
const KEPT: f64 = 10.0;
const LATE: f64 = 3.0;

/// All that a node tells of the cluster.
async fn told(node: &Node) -> Value {
    node.get("/health/nodes").await.body
}

/// The nodes among it.
fn nodes(told: &Value) -> &[Value] {
    told["nodes"].as_array().unwrap()
}

/// What is told of the node that listens there.
fn of<'a>(told: &'a Value, node: &Node) -> Option<&'a Value> {
    nodes(told).iter().find(|other| node.url.ends_with(other["address"].as_str().unwrap()))
}

/// Whether exactly these are told of.
fn are(told: &Value, expected: &[&Node]) -> bool {
    told["complete"] == true
        && nodes(told).len() == expected.len()
        && expected.iter().all(|node| of(told, node).is_some())
}

/// Two nodes, each told of by both; the first leads.
async fn two(world: &World, settings: &[(&str, &str)]) -> [Node; 2] {
    let one = world.node_with(settings).await;
    until("the first leads", async || told(&one).await["relay"]["leading_seconds"].is_f64()).await;
    let other = world.node().await;
    for node in [&one, &other] {
        until("both are told of", async || are(&told(node).await, &[&one, &other])).await;
    }
    [one, other]
}

#[tokio::test]
async fn each_node_tells_of_all_by_the_name_that_the_leader_has() {
    let world = World::new().await;
    let [one, other] = two(&world, &[]).await;
    let (by_one, by_other) = (told(&one).await, told(&other).await);
    let name = of(&by_one, &one).unwrap()["node"].clone();
    assert!(name.as_str().unwrap().ends_with(&format!("/{}", one.id())), "{name}");
    assert_eq!((&by_one["node"], &by_other["node"]), (&name, &of(&by_one, &other).unwrap()["node"]));
    for told in [&by_one, &by_other] {
        assert_eq!((&told["ok"], &told["reasons"], &told["stale"]), (&json!(true), &json!([]), &Value::Null), "{told}");
        assert_eq!(told["relay"]["leader"], name);
        assert!(told["relay"]["leading_seconds"].as_f64() > Some(0.0) && told["relay"]["lag_changes"] == 0, "{told}");
        let leads = |node| of(told, node).unwrap()["leads"].is_object();
        assert_eq!([leads(&one), leads(&other)], [true, false]);
        for node in nodes(told) {
            assert_eq!(node["version"], env!("CARGO_PKG_VERSION"));
            assert!(node["silent_seconds"].as_f64() < Some(LATE) && node["uptime_seconds"].as_f64() < Some(60.0));
            assert!(node["resident_bytes"].as_u64() > Some(1 << 20), "{node}");
        }
    }
    assert_eq!(one.get("/health").await.body["relay"]["leader"], name);
}

#[tokio::test]
async fn a_node_that_dies_falls_silent_and_is_gone_in_time() {
    let world = World::new().await;
    let [mut one, other] = two(&world, &[]).await;
    one.process.kill().await.unwrap();
    let (killed, mut silent) = (Instant::now(), vec![0.0]);
    until("it is gone", async || match of(&told(&other).await, &one) {
        Some(node) => {
            silent.push(node["silent_seconds"].as_f64().unwrap());
            false
        }
        None => true,
    })
    .await;
    let (gone, longest) = (killed.elapsed().as_secs_f64(), silent.iter().copied().fold(0.0, f64::max));
    // It may have told just before it died, and was looked at again and again until it was gone.
    assert!(gone > KEPT - LATE && gone < KEPT + 2.0 * LATE && longest > KEPT / 2.0, "gone after {gone}, {longest}");
    let fell = silent.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!(fell <= 1, "it was silent for ever longer: {silent:?}");
    until("the other one leads", async || of(&told(&other).await, &other).unwrap()["leads"].is_object()).await;
    let told = told(&other).await;
    assert_eq!((&told["relay"]["leader"], nodes(&told).len()), (&told["node"], 1), "{told}");
}

#[tokio::test]
async fn a_node_that_ends_is_gone_at_once() {
    let world = World::new().await;
    let [mut one, other] = two(&world, &[]).await;
    one.signal("TERM");
    one.process.wait().await.unwrap();
    let ended = Instant::now();
    until("it is gone", async || are(&told(&other).await, &[&other])).await;
    assert!(ended.elapsed() < Duration::from_secs_f64(KEPT / 2.0), "after {:?}", ended.elapsed());
}

#[tokio::test]
async fn figures_move_with_what_happens_and_are_the_same_at_every_node() {
    let world = World::new().await;
    let [one, other] = two(&world, &[]).await;
    let mut streams = [other.stream("").await, other.stream("").await];
    let mut socket = Socket::within(&other, json!({ "userId": SENDER }), "a").await;
    let busy = |told: &Value| {
        let (one, other) = (of(told, &one).unwrap(), of(told, &other).unwrap());
        let speed = |node: &Value, name: &str| node[name].as_f64() > Some(0.0);
        (one["streams"] == 0 && other["streams"] == 2 && other["sockets"] == 1)
            && (speed(one, "posts_per_second") && !speed(other, "posts_per_second"))
            && (speed(one, "changes_per_second") && speed(other, "changes_per_second"))
            && (speed(other, "deliveries_per_second") && !speed(one, "deliveries_per_second"))
            && (one["latency"]["stage"] == "node" && other["latency"]["stage"] == "socket")
    };
    for at in [&one, &other] {
        until("it is busy", async || {
            one.say(message_in("a", "busy")).await;
            busy(&told(at).await)
        })
        .await;
    }
    let told_now = told(&one).await;
    let figures = of(&told_now, &other).unwrap();
    let (latency, ring) = (&figures["latency"], &figures["ring"]);
    let [half, most] = ["p50_ms", "p99_ms"].map(|name| latency[name].as_f64().unwrap());
    assert!(0.0 < half && half <= most && most < 30_000.0 && latency["samples"].as_u64() > Some(0), "{latency}");
    assert!(ring["changes"].as_i64() > Some(0) && ring["bytes"].as_i64() > Some(100), "{ring}");
    assert!(ring["seconds"].as_f64() > Some(0.0), "{ring}");
    // Three readers get each.
    let [changes, deliveries] = ["changes_per_second", "deliveries_per_second"].map(|name| figures[name].as_f64());
    assert!(deliveries > changes.map(|changes| changes * 1.5), "{changes:?} {deliveries:?}");
    assert!(told_now["log"]["changes"].as_i64() > Some(0) && told_now["relay"]["head"].is_string());

    streams[0].take(1).await;
    socket.event_of("receiveMessage").await;
    drop((streams, socket));
    until("all is still, and nobody is there", async || {
        let told = told(&one).await;
        let other = of(&told, &other).unwrap();
        let still = ["changes_per_second", "deliveries_per_second"].iter().all(|name| other[name] == 0.0);
        still && other["streams"] == 0 && other["sockets"] == 0 && other["latency"].is_null()
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_has_lost_all_is_told_again_within_a_second() {
    let world = World::new().await;
    let [one, other] = two(&world, &[]).await;
    let client = redis::Client::open(&*world.redis_url).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let key = format!("{}nodes", world.prefix);
    let lost: i64 = redis.del(&key).await.unwrap();
    let since = Instant::now();
    assert_eq!(lost, 1, "they were there");
    until("both tell again", async || redis.hlen::<_, usize>(&key).await.unwrap() == 2).await;
    assert!(since.elapsed() < Duration::from_secs_f64(LATE), "after {:?}", since.elapsed());
    // Nor does what somebody else puts there stay, or hide them.
    let _: () = redis.hset_multiple(&key, &[("no beat", "x"), ("no figures", "99999999999999 x")]).await.unwrap();
    until("it is gone", async || redis.hlen::<_, usize>(&key).await.unwrap() == 2).await;
    assert!(redis.pttl::<_, i64>(&key).await.unwrap() > 0, "all ends with the last node");
    for node in [&one, &other] {
        until("both are told of", async || are(&told(node).await, &[&one, &other])).await;
    }
}

#[tokio::test]
async fn without_redis_a_node_knows_itself_and_says_that_there_may_be_others() {
    let world = World::new().await;
    let link = Link::to(&world.redis_url).await;
    let [one, other] = two(&world, &[("REDIS_URL", link.url()), ("LOG", "error")]).await;
    for (what, end) in [("a lost", Link::cut as fn(&Link)), ("a silent", Link::hush)] {
        end(&link);
        until(what, async || told(&one).await["complete"] == false).await;
        let alone = told(&one).await;
        assert_eq!((nodes(&alone).len(), of(&alone, &one).is_some()), (1, true), "{what} Redis: {alone}");
        assert_eq!(alone["relay"]["leader"], alone["node"], "PostgreSQL knows who leads");
        assert!(told(&other).await["complete"] == true, "to the other one Redis answers");
        one.say(message("not over Redis")).await;
        until("its figures go on", async || of(&told(&one).await, &one).unwrap()["ring"]["changes"] != 0).await;
        link.mend();
        until("both are told of", async || are(&told(&one).await, &[&one, &other])).await;
    }
}

#[tokio::test]
async fn however_often_it_is_asked_for_postgres_is_asked_twice_a_second() {
    let world = World::new().await;
    let node = world.node().await;
    until("it leads", async || told(&node).await["relay"]["leading_seconds"].is_f64()).await;
    let (since, mut ages) = (Instant::now(), BTreeSet::new());
    for _ in 0..50 {
        // Two readings of an age are never the same.
        ages.insert(told(&node).await["relay"]["leader_seconds"].to_string());
    }
    let most = since.elapsed().as_secs_f64() * 2.0 + 1.0;
    assert!((ages.len() as f64) <= most.ceil(), "{} readings in {:?}", ages.len(), since.elapsed());
    until("but not once for all", async || {
        ages.insert(told(&node).await["relay"]["leader_seconds"].to_string());
        ages.len() > 2
    })
    .await;
}

#[tokio::test]
async fn where_those_who_look_after_the_node_have_a_port_the_nodes_are_told_there_alone() {
    let world = World::new().await;
    let node = world.node_with(&[("ADMIN_PORT", "0")]).await;
    let at = |url: &str| node.http.get(format!("{url}/health/nodes")).send();
    let admin = at(node.admin.as_ref().unwrap()).await.unwrap();
    assert_eq!((at(&node.url).await.unwrap().status().as_u16(), admin.status().as_u16()), (404, 200));
    assert!(admin.text().await.unwrap().contains(&format!("/{}\"", node.id())));
}
