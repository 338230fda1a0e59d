//! Readiness proves delivery: `/health/ready` names the stage at which changes do not come through, and only a canary
//! that has come the whole way, or a look at the log, tells otherwise. Whatever is stale, streams that are open stay
//! open.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::{Events, Lagging, Link, Listener, Node, World, message, until};

/// Nodes say what they miss; here all of it is on purpose. Streams are told often that they live.
const SETTINGS: [(&str, &str); 2] = [("LOG", "error"), ("KEEP_ALIVE", "500ms")];

/// The advisory lock of whoever leads.
const LOCK: i64 = i64::from_be_bytes(*b"\0rowcast");

/// Whether the node may take traffic, and the stage that it calls stale.
async fn verdict(node: &Node) -> (u16, Value) {
    let answer = node.get("/health/ready").await;
    assert_eq!(answer.body["ok"], answer.status == 200);
    (answer.status.as_u16(), answer.body["stale"].clone())
}

async fn until_verdict_is(nodes: &[&Node], expected: (u16, Value)) {
    for node in nodes {
        until("the nodes judge so", async || verdict(node).await == expected).await;
    }
}

async fn until_well(nodes: &[&Node]) {
    until_verdict_is(nodes, (200, Value::Null)).await;
}

async fn health(node: &Node) -> Value {
    node.get("/health").await.body
}

/// The first change of all has come, so somebody leads.
async fn say_first(node: &Node, stream: &mut Events) {
    node.say(message("first")).await;
    assert_eq!(stream.next().await.id, "1-1");
}

async fn lives(stream: &mut Events) {
    for _ in 0..3 {
        stream.comment().await;
    }
}

#[tokio::test]
async fn a_fresh_node_is_ready_at_once_and_does_not_waver() {
    let (_world, node) = World::with_node().await;
    until("the canary came twice", async || {
        assert_eq!(verdict(&node).await, (200, Value::Null));
        let health = health(&node).await;
        // Twice: the second one comes when the first one is a second old.
        health["bus"]["canary_seconds"].as_f64().is_some_and(|age| age > 0.8)
    })
    .await;
    let health = health(&node).await;
    assert_eq!((&health["stale"], &health["reasons"]), (&Value::Null, &json!([])));
    assert_eq!(health["postgres"]["captures"], true);
    assert!(health["relay"]["leader"].as_str().unwrap().ends_with(&format!("/{}", node.process.id().unwrap())));
    for age in [&health["relay"]["leader_seconds"], &health["hub"]["proved_seconds"]] {
        assert!((0.0..5.0).contains(&age.as_f64().unwrap()), "{health}");
    }
}

#[tokio::test]
async fn without_redis_nodes_say_so_and_are_ready_since_the_log_serves() {
    let world = World::new().await;
    let link = Link::to(&world.redis_url).await;
    let settings = [SETTINGS[0], SETTINGS[1], ("REDIS_URL", link.url())];
    let nodes = [world.node_with(&settings).await, world.node_with(&settings).await];
    let mut stream = nodes[1].stream("").await;
    say_first(&nodes[0], &mut stream).await;
    link.cut();
    for node in &nodes {
        until("Redis is named", async || {
            let (status, stale) = verdict(node).await;
            assert_eq!(status, 200);
            stale == "redis"
        })
        .await;
    }
    nodes[0].say(message("by the log")).await;
    assert_eq!(stream.next().await.content(), "by the log");
    link.mend();
    until_well(&nodes.each_ref()).await;
}

/// Ends the leader's session and lets nobody lead while the returned session lives.
async fn nobody_leads(world: &World) -> PgConnection {
    let mut usurper = world.session().await;
    let lock = AssertSqlSafe(format!("select pg_advisory_lock({LOCK})"));
    until("somebody leads", async || world.number("select count(leader_pid) from feed.state").await == 1).await;
    let (ended, taken) = tokio::join!(
        async {
            let waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted
                and database = (select oid from pg_database where datname = current_database())";
            until("the lock is waited for", async || world.number(waits).await == 1).await;
            world.sql("select pg_terminate_backend(leader_pid) from feed.state").await;
        },
        usurper.execute(lock)
    );
    let ((), _) = (ended, taken.unwrap());
    usurper
}

#[tokio::test]
async fn where_nobody_leads_every_node_says_so_and_streams_stay_open() {
    let world = World::new().await;
    let nodes = [world.node_with(&SETTINGS).await, world.node_with(&SETTINGS).await];
    let mut stream = nodes[1].stream("").await;
    say_first(&nodes[0], &mut stream).await;
    let usurper = nobody_leads(&world).await;
    nodes[0].say(message("kept")).await;
    for node in &nodes {
        until("the relay is named", async || {
            let (status, stale) = verdict(node).await;
            // Nobody else is blamed meanwhile.
            assert!([(200, &Value::Null), (503, &json!("relay"))].contains(&(status, &stale)), "{status} {stale}");
            status == 503
        })
        .await;
        let age = health(node).await["relay"]["leader_seconds"].as_f64().unwrap();
        assert!((10.0..15.0).contains(&age), "a leader is given 10 s, and no more: {age}");
    }
    lives(&mut stream).await;
    usurper.close().await.unwrap();
    assert_eq!(stream.next().await.content(), "kept");
    until_well(&nodes.each_ref()).await;
}

#[tokio::test]
async fn a_trigger_that_does_not_fire_is_named_until_it_does() {
    let (world, node) = World::with_node().await;
    for (harm, repair) in [
        ("disable trigger feed_insert", "enable always trigger feed_insert"),
        ("enable replica trigger feed_update", "enable trigger feed_update"),
        ("disable trigger all", "enable trigger all"),
    ] {
        world.sql(&format!("alter table messages {harm}")).await;
        assert_eq!(verdict(&node).await, (503, json!("capture")), "{harm}");
        assert_eq!(health(&node).await["postgres"]["captures"], false);
        world.sql(&format!("alter table messages {repair}")).await;
        assert_eq!(verdict(&node).await, (200, Value::Null), "{repair}");
    }
    world.sql("drop trigger feed_delete on messages").await;
    assert_eq!(verdict(&node).await, (503, json!("capture")));
}

#[tokio::test]
async fn without_postgres_every_node_says_so_and_streams_live_to_see_it_back() {
    let world = World::new().await;
    let link = Link::to(&world.database_url).await;
    let settings = [SETTINGS[0], SETTINGS[1], ("DATABASE_URL", link.url())];
    let nodes = [world.node_with(&settings).await, world.node_with(&settings).await];
    let mut streams = [nodes[0].stream("").await, nodes[1].stream("").await];
    world.sql("insert into messages (content, sender_id) values ('before', gen_random_uuid())").await;
    for stream in &mut streams {
        assert_eq!(stream.next().await.content(), "before");
    }
    link.cut();
    until_verdict_is(&nodes.each_ref(), (503, json!("postgres"))).await;
    world.sql("insert into messages (content, sender_id) values ('meanwhile', gen_random_uuid())").await;
    for stream in &mut streams {
        lives(stream).await;
    }
    link.mend();
    for stream in &mut streams {
        assert_eq!(stream.next().await.content(), "meanwhile");
    }
    until_well(&nodes.each_ref()).await;
}

#[tokio::test]
async fn a_heartbeat_that_repeats_an_old_canary_proves_nothing() {
    let (world, node) = World::with_node().await;
    say_first(&node, &mut node.stream("").await).await;
    let told = Lagging::start(&world, "1-1").await;
    let mut stream = told.node.stream("").await;
    assert_eq!(verdict(&told.node).await, (200, Value::Null));
    told.repeat_canary();
    until_verdict_is(&[&told.node], (200, json!("redis"))).await;
    // The bus is up and says all the time that nothing has happened; nevertheless the log is read.
    node.say(message("unheard of")).await;
    assert_eq!(stream.next().await.content(), "unheard of");
    let health = health(&told.node).await;
    assert_eq!(health["bus"]["up"], true);
    assert!(health["bus"]["silent_seconds"].as_f64().unwrap() < health["bus"]["canary_seconds"].as_f64().unwrap());
}

#[tokio::test]
async fn the_canary_travels_whatever_the_traffic_and_is_no_change() {
    let (world, node) = World::with_node().await;
    let (mut heartbeats, stream) = (Listener::on(&world, &["feed_heartbeat"]).await, node.stream("").await);
    let mut canaries = BTreeSet::new();
    let mut seen = async |count: usize| {
        while canaries.len() < count {
            let heartbeat = heartbeats.next().await.data();
            canaries.extend(heartbeat["canary"].as_str().map(str::to_owned));
        }
    };
    seen(3).await;
    let mut said = 0;
    let writing = async {
        loop {
            said += 1;
            node.say(message(&said.to_string())).await;
        }
    };
    tokio::select! { () = writing => {}, () = seen(6) => {} }
    node.say(message("last")).await;
    // Who followed, and who comes now: to both the first position is the first message, and none is left out.
    for mut stream in [stream, node.open("", Some("1-0")).await] {
        let mut position = 0;
        loop {
            let event = stream.next().await;
            if event.kind() == "connected" {
                continue;
            }
            position += 1;
            assert_eq!((event.kind().as_str(), event.position()), ("new_message", position));
            if event.content() == "last" {
                break;
            }
        }
    }
    let logged = world.number("select count(*) from feed.log").await;
    assert_eq!(logged, world.number("select count(*) from messages").await);
}
