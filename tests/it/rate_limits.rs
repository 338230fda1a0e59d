//! Each caller may ask so often, all nodes together, and every answer says how it stands, Redis being there or not.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use tokio::time::Instant;

use crate::{
    problems::assert_problem,
    support::{Answer, Events, Link, Node, World, message, soon, until},
};

/// However busy the machine is, Redis is not taken to be away.
const PATIENT: (&str, &str) = ("REDIS_PATIENCE", "10s");

/// A header that holds a number.
fn number(answer: &Answer, header: &str) -> Option<u64> {
    answer.headers.get(header).map(|value| value.to_str().unwrap().parse().unwrap())
}

/// What an answer says of how the caller stands.
fn standing(answer: &Answer) -> [Option<u64>; 3] {
    ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"].map(|header| number(answer, header))
}

fn assert_too_often(answer: &Answer) {
    assert_problem("one too many", answer, 429, "");
    assert_eq!(number(answer, "ratelimit-remaining"), Some(0));
    assert!(number(answer, "retry-after").is_some_and(|seconds| seconds > 0), "{answer:?}");
}

async fn stream(node: &Node) -> reqwest::Response {
    soon("a stream or a refusal", node.http.get(format!("{}/stream", node.url)).send()).await.unwrap()
}

#[tokio::test]
async fn all_nodes_together_grant_what_is_set_and_then_refuse() {
    let world = World::new().await;
    let settings = [("RATE_READ", "20/1h"), PATIENT];
    let nodes = [world.node_with(&settings).await, world.node_with(&settings).await];
    let asking = (0..50).map(|number| nodes[number % 2].get("/message"));
    let answers = join_all(asking).await;
    let (granted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == StatusCode::OK);
    assert_eq!((granted.len(), refused.len()), (20, 30));
    // Whoever was granted one was told another number of those that are left.
    let mut left: Vec<_> = granted.iter().map(|answer| number(answer, "ratelimit-remaining").unwrap()).collect();
    left.sort_unstable();
    assert_eq!(left, (0..20).collect::<Vec<_>>());
    for answer in refused {
        assert_too_often(answer);
        let [limit, _, reset] = standing(answer).map(Option::unwrap);
        // One comes in three minutes, all twenty in an hour; a moment has passed since the first.
        assert!(limit == 20 && (3500..=3600).contains(&reset), "{answer:?}");
        assert!((80..=180).contains(&number(answer, "retry-after").unwrap()), "{answer:?}");
    }
}

#[tokio::test]
async fn what_was_spent_comes_back() {
    let world = World::new().await;
    let node = world.node_with(&[("RATE_READ", "20/10s"), PATIENT]).await;
    until("the budget is spent", async || {
        let answer = node.get("/message").await;
        let refused = answer.status == StatusCode::TOO_MANY_REQUESTS;
        if refused {
            assert_too_often(&answer);
            assert_eq!(number(&answer, "retry-after"), Some(1), "one comes in half a second");
        }
        refused
    })
    .await;
    until("one more is granted", async || node.get("/message").await.status == StatusCode::OK).await;
    // A refusal takes nothing, and it comes back faster than it is spent here.
    until("more than one is there", async || {
        tokio::time::sleep(Duration::from_millis(600)).await;
        number(&node.get("/message").await, "ratelimit-remaining").unwrap() > 1
    })
    .await;
}

#[tokio::test]
async fn no_budget_is_emptier_than_empty_whatever_another_clock_has_written() {
    let world = World::new().await;
    let node = world.node_with(&[("RATE_READ", "5/1h"), PATIENT]).await;
    let mut redis = redis::Client::open(&*world.redis_url).unwrap().get_multiplexed_async_connection().await.unwrap();
    let budget = format!("{}limit:read:net:127.0.0.1", world.prefix);
    let now: (u64, u64) = redis::cmd("TIME").query_async(&mut redis).await.unwrap();
    let in_a_year = (now.0 + 365 * 24 * 60 * 60) * 1_000_000;
    let _: () = redis::AsyncCommands::set(&mut redis, budget, in_a_year).await.unwrap();
    let answer = node.get("/message").await;
    assert_too_often(&answer);
    assert_eq!((number(&answer, "retry-after"), number(&answer, "ratelimit-reset")), (Some(720), Some(3600)));
}

#[tokio::test]
async fn reading_writing_and_streaming_have_budgets_of_their_own_and_health_has_none() {
    let world = World::new().await;
    let settings = [("RATE_READ", "2/1h"), ("RATE_WRITE", "4/1h"), ("RATE_STREAM", "1/1h"), PATIENT];
    let node = world.node_with(&settings).await;
    let text = message("one");
    let calls = [
        (Method::POST, "/message", Some(&text), 201, [4, 3]),
        (Method::GET, "/message", None, 200, [2, 1]),
        (Method::PATCH, "/message/1", Some(&text), 422, [4, 2]),
        (Method::GET, "/message/2", None, 404, [2, 0]),
        (Method::POST, "/message", None, 415, [4, 1]),
        (Method::DELETE, "/message/1", None, 204, [4, 0]),
    ];
    for (method, path, body, status, stands) in calls {
        let answer = node.send(method.clone(), path, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        assert_eq!(standing(&answer)[..2], stands.map(Some), "{method} {path}");
    }
    for (method, path) in [(Method::GET, "/message"), (Method::GET, "/message/1"), (Method::DELETE, "/message/1")] {
        assert_too_often(&node.send(method, path, None).await);
    }
    assert_eq!(stream(&node).await.status(), StatusCode::OK);
    assert_eq!(stream(&node).await.status(), StatusCode::TOO_MANY_REQUESTS);
    for path in ["/health/live", "/health", "/openapi.json", "/nowhere"] {
        let answer = node.get(path).await;
        assert_ne!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(standing(&answer), [None; 3], "{path}");
    }
}

#[tokio::test]
async fn a_stream_says_how_its_caller_stands_whoever_writes_it() {
    let world = World::new().await;
    for (writers, left) in [("2", "1"), ("0", "0")] {
        let node = world.node_with(&[("RATE_STREAM", "2/1h"), ("WRITERS", writers), PATIENT]).await;
        let opened = stream(&node).await;
        assert_eq!(opened.headers()["ratelimit-remaining"], left, "with {writers} writers");
        assert_eq!(Events::new(opened).next().await.kind(), "connected");
    }
}

#[tokio::test]
async fn who_sets_no_limit_needs_no_redis() {
    let world = World::new().await;
    let link = Link::to(&world.redis_url).await;
    let closed = [("REDIS_URL", link.url()), ("RATE_WITHOUT_REDIS", "closed"), ("LOG", "error")];
    let node = world.node_with(&closed).await;
    link.hush();
    node.say(message("one")).await;
    assert_eq!(standing(&node.get("/message").await), [None; 3]);
    node.stream("").await;
}

/// Asks twenty times; how long it took.
async fn ask_on(node: &Node, status: StatusCode) -> Duration {
    let begun = Instant::now();
    for _ in 0..20 {
        let answer = node.get("/message").await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(standing(&answer), [None; 3], "nobody knows");
    }
    begun.elapsed()
}

#[tokio::test]
async fn without_redis_all_are_served_at_once_and_counted_again_when_it_is_back() {
    let world = World::new().await;
    for hang in [Link::cut, Link::hush] {
        let link = Link::to(&world.redis_url).await;
        let settings = [("RATE_READ", "1000/1h"), ("REDIS_PATIENCE", "1s"), ("LOG", "error")];
        let node = world.node_with(&[("REDIS_URL", link.url())].into_iter().chain(settings).collect::<Vec<_>>()).await;
        until("calls are counted", async || number(&node.get("/message").await, "ratelimit-limit").is_some()).await;
        hang(&link);
        // If each of them waited, it would take 20 s.
        let took = ask_on(&node, StatusCode::OK).await;
        assert!(took < Duration::from_secs(8), "{took:?}");
        link.mend();
        until("calls are counted again", async || number(&node.get("/message").await, "ratelimit-limit").is_some())
            .await;
    }
}

#[tokio::test]
async fn without_redis_nobody_is_served_where_that_is_set_but_what_has_no_limit() {
    let world = World::new().await;
    let link = Link::to(&world.redis_url).await;
    let settings = [("RATE_READ", "1000/1h"), ("RATE_STREAM", "9/1h"), ("RATE_WITHOUT_REDIS", "closed")];
    let links = [("REDIS_URL", link.url()), ("REDIS_PATIENCE", "1s"), ("LOG", "error")];
    let node = world.node_with(&[&settings[..], &links].concat()).await;
    until("calls are counted", async || number(&node.get("/message").await, "ratelimit-limit").is_some()).await;
    link.hush();
    let took = ask_on(&node, StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(took < Duration::from_secs(8), "{took:?}");
    let answer = node.get("/message").await;
    assert_problem("a call that cannot be counted", &answer, 503, "");
    assert_eq!(number(&answer, "retry-after"), Some(1));
    assert_eq!(stream(&node).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    node.say(message("writing has no limit here")).await;
    link.mend();
    until("calls are served again", async || node.get("/message").await.status == StatusCode::OK).await;
}

#[tokio::test]
async fn a_caller_has_so_many_streams_and_a_place_comes_back_when_one_ends() {
    let world = World::new().await;
    for writers in ["2", "0"] {
        let node = world.node_with(&[("MAX_STREAMS_PER_USER", "2"), ("WRITERS", writers)]).await;
        let streams = [node.stream("").await, node.stream("?room=a").await];
        let refused = Answer::of(node.http.get(format!("{}/stream", node.url))).await;
        assert_problem("one stream too many", &refused, 429, "");
        assert!(number(&refused, "retry-after").is_some_and(|seconds| seconds > 0));
        // What is refused for something else takes no place.
        let [one, other] = streams;
        drop(one);
        until("there is a place again", async || stream(&node).await.status() == StatusCode::OK).await;
        for _ in 0..5 {
            let wrong = Answer::of(node.http.get(format!("{}/stream?last_event_id=x", node.url))).await;
            assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        }
        drop(other);
        let mut both = None;
        until("all places are free again", async || {
            let (one, two) = (stream(&node).await, stream(&node).await);
            let have = one.status() == StatusCode::OK && two.status() == StatusCode::OK;
            if have {
                both = Some([one, two]);
            }
            have
        })
        .await;
        assert_eq!(stream(&node).await.status(), StatusCode::TOO_MANY_REQUESTS);
        drop(both);
    }
}

#[tokio::test]
async fn a_stream_that_the_node_sends_away_leaves_no_place_taken() {
    let world = World::new().await;
    let node = world.node_with(&[("MAX_STREAMS_PER_USER", "1"), ("MAX_STREAMS", "0"), ("LOG", "error")]).await;
    for _ in 0..3 {
        // The node has no room at all: the client is to come back, and each time it may.
        assert_eq!(stream(&node).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn who_is_refused_while_still_sending_reads_why() {
    let world = World::new().await;
    let node = world.node_with(&[("RATE_WRITE", "1/1h"), PATIENT]).await;
    let large = message(&"x".repeat(1 << 20));
    node.say(large.clone()).await;
    for _ in 0..50 {
        assert_too_often(&node.post("/message", &large).await);
    }
}
