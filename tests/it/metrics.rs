//! The metrics tell what was: each counts what happened and nothing else, and no client can make a series of its own.

use redis::AsyncCommands;
use reqwest::{Method, StatusCode};
use rowcast::{
    metrics::METRICS,
    redis::{Redis, subscribe},
};
use sqlx::Executor;
use tokio::{io::AsyncWriteExt, net::TcpSocket};
use tokio_util::sync::CancellationToken;

use crate::support::{Events, Figures, Link, Node, World, message, message_in, soon, until};

/// Posts so many messages, each alone, and waits until every stream has each.
async fn say(node: &Node, count: usize, streams: &mut [&mut Events]) {
    for number in 0..count {
        node.say(message(&number.to_string())).await;
    }
    for stream in streams {
        stream.take(count).await;
    }
}

async fn until_figure(node: &Node, what: &'static str, holds: impl Fn(&Figures) -> bool) -> Figures {
    until(what, async || holds(&Figures::of(node).await)).await;
    Figures::of(node).await
}

fn ended(figures: &Figures, reason: &str) -> f64 {
    figures.get("rowcast_streams_ended_total", &[("reason", reason)]).unwrap()
}

fn resumes(figures: &Figures, source: &str, outcome: &str) -> f64 {
    figures.get("rowcast_resumes_total", &[("source", source), ("outcome", outcome)]).unwrap()
}

#[tokio::test]
async fn what_happened_is_counted_once() {
    let (_world, node) = World::with_node().await;
    let mut streams = [node.stream("").await, node.stream("?room=lobby").await, node.stream("").await];
    let [one, two, three] = &mut streams;
    say(&node, 20, &mut [one, two, three]).await;
    let figures = Figures::of(&node).await;
    assert_eq!(figures.one("rowcast_deliveries_total"), 60.0);
    assert_eq!(figures.one("rowcast_delivered_bytes_total"), 3.0 * figures.one("rowcast_ring_bytes"));
    assert_eq!((figures.one("rowcast_streams"), figures.one("rowcast_streams_opened_total")), (3.0, 3.0));
    assert_eq!(figures.one("rowcast_post_group_size_sum"), 20.0);
    assert_eq!((figures.one("rowcast_ring_changes"), figures.one("rowcast_log_changes")), (20.0, 20.0));
    assert_eq!((figures.one("rowcast_relay_leading"), figures.one("rowcast_relay_head")), (1.0, 20.0));
    assert_eq!((figures.one("rowcast_ready"), figures.one("rowcast_posts_waiting")), (1.0, 0.0));
    assert!(figures.one("rowcast_process_cpu_seconds_total") > 0.0);
    assert_eq!(figures.get("rowcast_pool_max", &[("pool", "http")]), Some(16.0));
    let health = node.get("/health").await.body;
    assert_eq!(health["hub"]["subscribers"], 3);
    assert_eq!((&health["postgres"]["http"]["max"], &health["postgres"]["posts_waiting"]), (&16.into(), &0.into()));
    let open = health["process"]["open_descriptors"].as_f64().unwrap();
    assert!((open - figures.one("rowcast_open_descriptors")).abs() < 10.0);

    drop(streams);
    let figures = until_figure(&node, "they are gone", |now| now.one("rowcast_streams") == 0.0).await;
    assert_eq!((ended(&figures, "client"), figures.one("rowcast_streams_opened_total")), (3.0, 3.0));
}

#[tokio::test]
async fn requests_are_counted_by_route_method_and_status() {
    let (_world, node) = World::with_node().await;
    let id = node.say(message("one")).await;
    for path in [format!("/message/{id}"), format!("/message/{id}?x=1"), "/message/99".to_owned()] {
        node.get(&path).await;
    }
    for _ in 0..3 {
        node.post("/message", &serde_json::json!({})).await;
    }
    node.send(Method::DELETE, "/health", None).await;
    let requests = [
        ("/message", "POST", "201", 1.0),
        ("/message", "POST", "422", 3.0),
        ("/message/{id}", "GET", "200", 2.0),
        ("/message/{id}", "GET", "404", 1.0),
        ("/health", "DELETE", "405", 1.0),
    ];
    let figures = Figures::of(&node).await;
    for (route, method, status, count) in requests {
        let labels = [("route", route), ("method", method), ("status", status)];
        assert_eq!(figures.get("rowcast_http_requests_total", &labels), Some(count), "{labels:?}");
    }
    let took = |part: &str| {
        figures.get(&format!("rowcast_http_request_seconds_{part}"), &[("route", "/message"), ("method", "POST")])
    };
    assert_eq!(took("count"), Some(4.0));
    assert!(took("sum").unwrap() > 0.0005, "a message is not written in no time");
}

#[tokio::test]
async fn who_comes_back_is_counted_by_who_could_judge_it_and_how() {
    let world = World::new().await;
    let ring = world.node_with(&[("RING_CHANGES", "10")]).await;
    let mut live = ring.stream("").await;
    say(&ring, 20, &mut [&mut live]).await;
    let mut back = [ring.open("", Some("1-15")).await, ring.open("", Some("1-5")).await];
    for (stream, missed) in back.iter_mut().zip([5, 15]) {
        stream.take(1 + missed).await;
    }
    for unknown in ["1-21", "0-3"] {
        assert_eq!(ring.open("", Some(unknown)).await.take(2).await[1].kind(), "reset");
    }
    let figures = Figures::of(&ring).await;
    assert_eq!([resumes(&figures, "ring", "resumed"), resumes(&figures, "log", "resumed")], [1.0, 1.0]);
    assert_eq!([resumes(&figures, "ring", "reset"), resumes(&figures, "log", "reset")], [1.0, 1.0]);
    assert_eq!(figures.get("rowcast_resets_total", &[("reason", "generation")]), Some(2.0));
    assert_eq!((figures.one("rowcast_page_reads_total"), figures.one("rowcast_pages_total")), (1.0, 1.0));
    // What is read from the log is as much a delivery.
    assert_eq!(figures.one("rowcast_deliveries_total"), 20.0 + 5.0 + 15.0);
    assert_eq!(figures.one("rowcast_resume_waits_total"), 0.0);
}

#[tokio::test]
async fn who_waits_for_the_pace_and_who_must_come_again_is_counted() {
    let world = World::new().await;
    let link = Link::to(&world.database_url).await;
    // A message a second, and a reading of the log after every second one: no page is kept but the newest.
    let pace = [
        ("RESUME_RATE", "4KiB"),
        ("WRITE_BYTES", "4KiB"),
        ("RING_CHANGES", "1"),
        ("PAGE_CHANGES", "2"),
        ("PAGE_CACHE", "1B"),
    ];
    let settings = [("DATABASE_URL", link.url()), ("DATABASE_TIMEOUT", "1s"), ("LOG", "error")];
    let node = world.node_with(&[&pace[..], &settings].concat()).await;
    let mut live = node.stream("").await;
    for _ in 0..10 {
        node.say(message(&"long".repeat(1000))).await;
    }
    live.take(10).await;
    let mut back = node.open("", Some("1-0")).await;
    back.take(2).await;
    link.cut();
    while soon("an event or the end", back.try_next()).await.is_some() {}
    assert_eq!(node.open("", Some("1-99")).await.try_next().await, None);
    let figures = Figures::of(&node).await;
    assert!(figures.one("rowcast_resume_waits_total") >= 1.0);
    assert_eq!((ended(&figures, "log"), ended(&figures, "client")), (1.0, 0.0));
    assert_eq!((resumes(&figures, "log", "refused"), figures.one("rowcast_streams_opened_total")), (1.0, 2.0));
}

#[tokio::test]
async fn no_client_makes_a_series_of_its_own() {
    let (_world, node) = World::with_node().await;
    let mark = "zebra";
    let visit = async |number: usize| {
        let room = format!("{mark}{number}");
        let mut stream = node.stream(&format!("?room={room}")).await;
        node.say(message_in(&room, &room)).await;
        stream.next().await;
        node.get(&format!("/{room}")).await;
        node.get(&format!("/message/{room}")).await;
        node.get(&format!("/message?room={room}")).await;
        node.send(Method::from_bytes(room.to_uppercase().as_bytes()).unwrap(), "/message", None).await;
        node.open("", Some(&format!("1-{number}"))).await;
    };
    visit(0).await;
    until_figure(&node, "a canary came", |now| now.get("rowcast_canary_seconds", &[]).is_some()).await;
    let before = Figures::of(&node).await;
    for number in 1..=30 {
        visit(number).await;
    }
    let after = Figures::of(&node).await;
    assert_eq!(after.series(), before.series());
    assert!(!after.text.to_lowercase().contains(mark));
    let unmatched = |method| {
        let labels = [("route", "unmatched"), ("method", method), ("status", "404")];
        after.get("rowcast_http_requests_total", &labels)
    };
    assert_eq!(unmatched("GET"), Some(31.0));
    let other = [("route", "/message"), ("method", "_OTHER"), ("status", "405")];
    assert_eq!(after.get("rowcast_http_requests_total", &other), Some(31.0));
}

#[tokio::test]
async fn a_redis_that_went_and_came_back_is_seen() {
    let world = World::new().await;
    let link = Link::to(&world.redis_url).await;
    let node = world.node_with(&[("REDIS_URL", link.url()), ("LOG", "error")]).await;
    let mut stream = node.stream("").await;
    say(&node, 1, &mut [&mut stream]).await;
    until_figure(&node, "the bus is up", |now| now.one("rowcast_bus_up") == 1.0).await;
    link.cut();
    until_figure(&node, "the bus is down", |now| now.one("rowcast_bus_up") == 0.0).await;
    say(&node, 3, &mut [&mut stream]).await;
    let lags =
        |now: &Figures| now.one("rowcast_relay_lag_changes") == 3.0 && now.one("rowcast_relay_lag_seconds") > 1.0;
    let figures = until_figure(&node, "the relay lags", lags).await;
    assert_eq!((figures.one("rowcast_relay_head"), figures.one("rowcast_relay_published")), (4.0, 1.0));
    link.mend();
    let caught_up = |now: &Figures| now.one("rowcast_bus_up") == 1.0 && now.one("rowcast_relay_lag_changes") == 0.0;
    let figures = until_figure(&node, "all is well", caught_up).await;
    assert!(figures.one("rowcast_redis_reconnects_total") >= 1.0);
    assert!(figures.one("rowcast_relay_lag_seconds") < 1.0 && figures.one("rowcast_hub_behind") == 0.0);
}

#[tokio::test]
async fn signals_for_which_a_node_has_no_place_are_counted() {
    let world = World::new().await;
    let (redis, stop) = (Redis::new(&world.redis_url, &world.prefix).unwrap(), CancellationToken::new());
    let mut bus = subscribe(redis, stop.clone());
    // Nobody takes anything after this.
    soon("it listens", bus.recv()).await.unwrap();
    let client = redis::Client::open(world.redis_url.as_str()).unwrap();
    let mut publisher = client.get_multiplexed_async_connection().await.unwrap();
    let (places, beat) = (bus.max_capacity(), r#"{"event_id":"1-0"}"#);
    for _ in 0..places + 7 {
        let _: u32 = publisher.publish(format!("{}feed_heartbeat", world.prefix), beat).await.unwrap();
    }
    // No other test of this process listens itself.
    until("they are counted", async || METRICS.feed.bus_dropped.get() == 7).await;
    stop.cancel();
}

#[tokio::test]
async fn posts_that_wait_and_posts_that_find_no_place_are_counted() {
    let world = World::new().await;
    let node = world.node_with(&[("POST_WAITING", "2"), ("POST_WRITERS", "1"), ("LOG", "error")]).await;
    let mut locks = world.session().await;
    locks.execute("begin; lock table messages in access exclusive mode").await.unwrap();
    let content = message("waits");
    let post = || node.post("/message", &content);
    let release = async {
        until_figure(&node, "two wait", |now| now.one("rowcast_posts_waiting") == 2.0).await;
        assert_eq!(post().await.status, StatusCode::SERVICE_UNAVAILABLE);
        let figures = Figures::of(&node).await;
        assert_eq!(figures.one("rowcast_posts_refused_total"), 1.0);
        let used = figures.get("rowcast_pool_connections", &[("pool", "http"), ("state", "used")]);
        assert!(used >= Some(1.0), "the writer's session is at work: {used:?}");
        locks.execute("rollback").await.unwrap();
    };
    let (one, two, ()) = tokio::join!(post(), post(), release);
    assert_eq!([one.status, two.status], [StatusCode::CREATED; 2]);
    assert_eq!(Figures::of(&node).await.one("rowcast_posts_waiting"), 0.0);
}

#[tokio::test]
async fn what_the_log_lets_go_of_is_counted() {
    let world = World::new().await;
    let node = world.node_with(&[("RETENTION_CHANGES", "5"), ("TRIM_EVERY", "20ms")]).await;
    let mut stream = node.stream("").await;
    for _ in 0..12 {
        say(&node, 1, &mut [&mut stream]).await;
    }
    let figures = until_figure(&node, "it is trimmed", |now| now.one("rowcast_trimmed_total") == 7.0).await;
    assert_eq!(figures.one("rowcast_log_changes"), 5.0);
    let late = world.node_with(&[("RING_CHANGES", "1")]).await;
    assert_eq!(late.open("", Some("1-0")).await.take(2).await[1].kind(), "reset");
    let told = Figures::of(&late).await;
    assert_eq!(told.get("rowcast_resets_total", &[("reason", "expired")]), Some(1.0));
    assert_eq!(resumes(&told, "log", "reset"), 1.0);
    assert!(figures.one("rowcast_log_bytes") > 0.0);
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_counted_as_slow() {
    let world = World::new().await;
    for (writers, reason) in [("2", "slow"), ("0", "client")] {
        let settings = [("WRITERS", writers), ("WRITE_TIMEOUT", "1s"), ("SEND_BUFFER", "8KiB")];
        let node = world.node_with(&settings).await;
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut socket = socket.connect(node.url.strip_prefix("http://").unwrap().parse().unwrap()).await.unwrap();
        socket.write_all(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        until_figure(&node, "it is there", |now| now.one("rowcast_streams") == 1.0).await;
        let large = "nobody reads it ".repeat(4000);
        for _ in 0..20 {
            node.say(message(&large)).await;
        }
        let figures = until_figure(&node, "it is closed", |now| now.one("rowcast_streams") == 0.0).await;
        // The HTTP library does not say why a stream of its own ends.
        assert_eq!(
            (ended(&figures, reason), figures.one("rowcast_slow_closes_total")),
            (1.0, 1.0),
            "{writers} writers"
        );
        drop(socket);
    }
}

#[tokio::test]
async fn a_node_that_goes_away_says_so_to_the_last() {
    let world = World::new().await;
    let mut node = world.node_with(&[("ADMIN_PORT", "0"), ("DRAIN", "16s")]).await;
    let admin = node.admin.clone().unwrap();
    let mut streams = Vec::new();
    // Of 16 parts, the first one is sent away at once, and the last one after 15 s.
    for _ in 0..16 {
        streams.push(node.stream("").await);
    }
    node.signal("TERM");
    assert_eq!(streams[0].next().await.kind(), "bye");
    until("its end is counted", async || {
        let figures = Figures::at(&node, &admin).await;
        assert_eq!((figures.one("rowcast_ready"), figures.one("rowcast_streams") > 0.0), (0.0, true));
        ended(&figures, "bye") >= 1.0
    })
    .await;
    drop(streams);
    let status = soon("it ends", node.process.wait()).await.unwrap();
    assert!(status.success(), "{status}");
}
