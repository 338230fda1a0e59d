//! What happens to those who read and write a session, situation by situation, over HTTP; here or, where a file is
//! named, there.
//!
//! | situation | what happens | held by |
//! |---|---|---|
//! | a page is reloaded amid the text | all of it from the beginning, then what comes | [`who_reloads_the_page_has_all_of_it_again_and_then_what_comes`] |
//! | a reader comes back, to any node | what comes after the last it has seen | [`who_comes_back_to_another_node_goes_on_there`] |
//! | a reader's connection is cut | it is counted no more, the session goes on | [`who_is_cut_off_is_counted_no_more_and_the_session_goes_on`] |
//! | a producer's is, before the answer | it sends the same again, and it is there once | [`a_producer_whose_answer_was_lost_sends_the_same_again`] |
//! | Redis has lost its last second | the producer is told, readers have no chunk twice | [`what_redis_has_lost_of_its_last_second_is_brought_again`] |
//! | Redis has lost everything | open sessions are gone, complete ones are not | [`where_redis_is_emptied_what_was_open_has_expired_and_what_was_complete_is_there`] |
//! | Redis is away | complete sessions are told, others to be tried again | the same, and `session::refusals` |
//! | there is no chunk yet | pings, until the producer is given up | [`where_nobody_writes_readers_are_told_that_they_live_and_then_that_it_failed`] |
//! | it is complete, any cursor | one event | `ends` |
//! | it is complete, and that was seen | 204 | `ends` |
//! | its message was deleted | no message; when Redis has forgotten it too, 404 | `ends` |
//! | Redis has forgotten it | the message all the same | `ends` |
//! | it failed, or was cancelled | one event; then 204 | `ends` |
//! | it is not there, or not the caller's | 404, in the same words | `session::rights`, `what_may_not_be_read_is_not_there` |
//! | a cursor beyond the text | nothing until the text is beyond it | [`a_cursor_ahead_of_the_text_waits_for_what_comes_after_it`] |
//! | what is no cursor | 422 | `session::following`, `what_is_no_cursor_is_refused_before_anything_else` |
//! | the node of a model's reply dies | the session fails after its silence | `chat::endings`, `where_the_node_dies_readers_elsewhere_are_told_after_the_silence` |
//! | what makes it panics | the session fails at once | `chat::failures`, `a_producer_that_panics_ends_its_session` |
//! | a model's reply is cancelled on another node | the model is hung up on | `chat::cancelling`, `who_cancels_on_another_node_stops_the_model_and_keeps_what_it_has_said` |
//! | a node is told to go | readers are sent away, and lose nothing | [`who_reads_on_a_node_that_goes_is_sent_away_and_loses_nothing`] |
//! | two tabs open one session | it is one | [`two_tabs_that_open_one_session_have_one`] |
//! | two tabs ask a model under one id | it is asked once | `chat::repeats`, `two_tabs_at_once_on_two_nodes_ask_once` |
//! | a token's time is up | the stream ends, and who comes back is refused | [`a_stream_ends_with_its_token`] |

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, time::Instant};

use super::{
    ask_redis,
    reader::{Stream, ask},
    with_own_redis,
};
use crate::{
    problems::assert_problem,
    session::{append, at, batch, last_batch, look, new, opened},
    support::{
        Answer, Figures, Node, SENDER, World,
        raw::connect,
        soon,
        tokens::{challenge, claims, guarded, in_seconds, token, token_for, with},
        until,
    },
};

pub async fn two_nodes(world: &World, settings: &[(&str, &str)]) -> (Node, Node) {
    tokio::join!(world.node_with(settings), world.node_with(settings))
}

/// A chunk's text.
fn text(number: u64) -> String {
    format!("chunk {number} \r\n")
}

/// Appends these chunks, which must be taken.
async fn say(node: &Node, session: &Value, chunks: std::ops::Range<u64>) -> Value {
    let texts: Vec<_> = chunks.map(|number| (number, text(number))).collect();
    let texts: Vec<_> = texts.iter().map(|(number, text)| (*number, text.as_str())).collect();
    let answer = append(node, session, &batch(&texts)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.body
}

fn texts(chunks: std::ops::Range<u64>) -> String {
    chunks.map(text).collect()
}

#[tokio::test]
async fn who_reloads_the_page_has_all_of_it_again_and_then_what_comes() {
    let (_world, node) = World::with_node().await;
    let session = opened(&node).await;
    say(&node, &session, 0..3).await;
    for _ in 0..2 {
        let mut stream = Stream::of(&node, &session).await;
        let connected = stream.next().await;
        assert_eq!((connected.name.as_str(), &connected.data["head"]), ("connected", &json!(2)));
        assert_eq!(connected.data["state"], "streaming");
        stream.reach(2).await;
        assert_eq!(stream.reading.text, texts(0..3));
    }
    let mut stream = Stream::of(&node, &session).await;
    stream.reach(2).await;
    say(&node, &session, 3..5).await;
    stream.reach(4).await;
    assert_eq!(stream.reading.text, texts(0..5));
}

#[tokio::test]
async fn who_comes_back_to_another_node_goes_on_there() {
    let world = World::new().await;
    let (one, other) = two_nodes(&world, &[]).await;
    let session = opened(&one).await;
    say(&one, &session, 0..10).await;
    let mut stream = Stream::after(&one, &session, "6").await;
    stream.reach(9).await;
    assert_eq!(stream.reading.text, texts(7..10));
    let last_id = stream.reading.last_id.unwrap();
    say(&other, &session, 10..12).await;
    let mut stream = Stream::after(&other, &session, &last_id).await;
    assert_eq!(stream.next().await.name, "connected");
    stream.reach(11).await;
    say(&one, &session, 12..14).await;
    stream.reach(13).await;
    assert_eq!(stream.reading.text, texts(10..14));
}

#[tokio::test]
async fn who_is_cut_off_is_counted_no_more_and_the_session_goes_on() {
    let world = World::new().await;
    for writers in ["2", "0"] {
        let (one, other) = two_nodes(&world, &[("WRITERS", writers)]).await;
        let session = opened(&one).await;
        let (mut stays, cut) = (Stream::of(&one, &session).await, Stream::of(&other, &session).await);
        let second = Stream::of(&other, &session).await;
        let readers = async |listeners: u64, nodes: usize| {
            until("the readers are counted", async || {
                let seen = look(&one, &session).await;
                seen["listeners"] == listeners && seen["nodes"].as_array().unwrap().len() == nodes
            })
            .await;
        };
        readers(3, 2).await;
        drop(cut);
        readers(2, 2).await;
        drop(second);
        readers(1, 1).await;
        say(&other, &session, 0..2).await;
        stays.reach(1).await;
        assert_eq!(look(&other, &session).await["state"], "streaming");
    }
}

#[tokio::test]
async fn a_producer_whose_answer_was_lost_sends_the_same_again() {
    let world = World::new().await;
    let (one, other) = two_nodes(&world, &[]).await;
    let session = opened(&one).await;
    let body = last_batch(&[(0, "one "), (1, "two")], 2).to_string();
    let (path, token) = (session["chunk_url"].as_str().unwrap(), session["producer_token"].as_str().unwrap());
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nX-Producer-Token: {token}");
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut socket = connect(&one).await;
    socket.write_all(request.as_bytes()).await.unwrap();
    until("it is there", async || look(&one, &session).await["head"] == 1).await;
    drop(socket);
    let again = last_batch(&[(0, "one "), (1, "two")], 2);
    for node in [&other, &one] {
        let answer = append(node, &session, &again).await;
        let told = ["head", "accepted", "duplicates", "parked"].map(|field| answer.body[field].clone());
        assert_eq!((answer.status, json!(told)), (StatusCode::OK, json!([1, 0, 2, 0])));
    }
    // Also of the batch that was the last, and where the message is written meanwhile.
    let last = batch(&[(1, "two"), (2, "!")]);
    for duplicates in [1, 2, 2] {
        let answer = append(&other, &session, &last).await;
        assert_eq!((answer.status, &answer.body["duplicates"]), (StatusCode::OK, &json!(duplicates)));
        until("it is complete", async || look(&one, &session).await["state"] == "completed").await;
    }
    let contents: Vec<String> =
        sqlx::query_scalar("select content from messages").fetch_all(&world.pool).await.unwrap();
    assert_eq!(contents, ["one two!"]);
}

#[tokio::test]
async fn what_redis_has_lost_of_its_last_second_is_brought_again() {
    let world = World::new().await;
    let (one, other) = two_nodes(&world, &[("SESSION_POLL", "100ms")]).await;
    let session = opened(&one).await;
    let mut readers = [Stream::of(&one, &session).await, Stream::of(&other, &session).await];
    assert_eq!(say(&one, &session, 0..10).await["head"], 9);
    for reader in &mut readers {
        reader.reach(9).await;
    }
    // It comes back with seven of ten.
    let name = format!("{}session:{{{}}}", world.prefix, session["id"].as_str().unwrap());
    let back = redis::Script::new(
        "redis.call('XDEL', KEYS[2], '8-0', '9-0', '10-0')
         redis.call('XSETID', KEYS[2], '7-0')
         redis.call('HSET', KEYS[1], 'count', 7, 'top', 6)",
    );
    let client = redis::Client::open(world.redis_url.as_str()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    back.key(&name).key(format!("{name}:log")).invoke_async::<()>(&mut redis).await.unwrap();
    // The producer goes on, and is told where the text is.
    let receipt = say(&other, &session, 10..11).await;
    assert_eq!((&receipt["head"], &receipt["parked"]), (&json!(6), &json!(1)));
    let ahead = Stream::after(&other, &session, "9").await;
    let receipt = say(&other, &session, 7..11).await;
    assert_eq!(["head", "accepted", "duplicates"].map(|field| receipt[field].clone()), [10, 3, 1]);
    say(&one, &session, 11..12).await;
    let late = Stream::of(&one, &session).await;
    let [first, second] = readers;
    for (mut reader, from) in [(first, 0), (second, 0), (ahead, 10), (late, 0)] {
        reader.reach(11).await;
        assert_eq!(reader.reading.text, texts(from..12));
    }
}

#[tokio::test]
async fn where_redis_is_emptied_what_was_open_has_expired_and_what_was_complete_is_there() {
    let (world, mut redis, _dir) = with_own_redis().await;
    let settings = [("SESSION_POLL", "200ms"), ("SESSION_PATIENCE", "500ms"), ("LOG", "error")];
    let (one, other) = two_nodes(&world, &settings).await;
    let (open, complete) = (opened(&one).await, opened(&one).await);
    append(&one, &complete, &last_batch(&[(0, "for "), (1, "ever")], 1)).await;
    let told = Stream::of(&other, &complete).await.rest().await.pop().unwrap();
    let mut readers = [Stream::of(&one, &open).await, Stream::of(&other, &open).await];
    say(&one, &open, 0..3).await;
    for reader in &mut readers {
        reader.reach(2).await;
    }
    ask_redis(&world, "FLUSHALL").await.unwrap();
    for reader in &mut readers {
        let rest = reader.rest().await;
        let [failed] = &rest[..] else { panic!("{rest:?}") };
        let expected = json!({ "session_id": open["id"], "reason": "expired", "head": 2, "missing": [] });
        assert_eq!((failed.name.as_str(), &failed.data), ("session_failed", &expected));
    }
    assert_problem("its stream", &one.get(&at(&open, "/stream")).await, 404, "");
    assert_problem("the session", &one.get(&at(&open, "")).await, 404, "");
    assert_problem("one more chunk", &append(&other, &open, &batch(&[(3, "x")])).await, 404, "");
    let is_told = async |node: &Node| {
        let rest = Stream::after(node, &complete, "0").await.rest().await;
        let [late] = &rest[..] else { panic!("{rest:?}") };
        assert_eq!((late.name.as_str(), &late.data["message"]), ("message_complete", &told.data["message"]));
        assert_eq!(late.data["message"]["content"], "for ever");
        assert_eq!(ask(node, &complete, "end").await.status(), StatusCode::NO_CONTENT);
        assert_eq!(look(node, &complete).await["state"], "completed");
    };
    is_told(&one).await;
    // And while Redis is away; of others nobody knows anything then.
    redis.end("KILL").await;
    is_told(&other).await;
    let mut come_back = Stream::of(&other, &open).await;
    let (rest, retries) = (come_back.rest().await, come_back.reading.retries);
    assert!(rest.is_empty() && matches!(retries[..], [1000..3000]), "{rest:?} {retries:?}");
    assert_problem("the session", &other.get(&at(&open, "")).await, 503, "");
}

#[tokio::test]
async fn where_nobody_writes_readers_are_told_that_they_live_and_then_that_it_failed() {
    let world = World::new().await;
    let times = [("KEEP_ALIVE", "200ms"), ("SESSION_IDLE_TIMEOUT", "1500ms"), ("SESSION_REAP_INTERVAL", "100ms")];
    let (one, other) = two_nodes(&world, &times).await;
    let (session, since) = (opened(&one).await, Instant::now());
    let mut stream = Stream::of(&other, &session).await;
    let connected = stream.next().await;
    assert_eq!((&connected.data["state"], &connected.data["head"]), (&json!("created"), &json!(-1)));
    for _ in 0..2 {
        assert_eq!(soon("a ping", stream.any()).await.unwrap().name, "ping");
    }
    let rest = stream.rest().await;
    assert!(since.elapsed() > Duration::from_millis(1400), "too early");
    let [failed] = &rest[..] else { panic!("{rest:?}") };
    assert_eq!((failed.name.as_str(), &failed.data["reason"]), ("session_failed", &json!("producer_timeout")));
    assert_eq!(failed.data["head"], -1);
    assert_eq!(ask(&one, &session, "end").await.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_cursor_ahead_of_the_text_waits_for_what_comes_after_it() {
    let world = World::new().await;
    let (one, other) = two_nodes(&world, &[("KEEP_ALIVE", "100ms")]).await;
    let session = opened(&one).await;
    say(&one, &session, 0..3).await;
    let mut stream = Stream::after(&other, &session, "5").await;
    assert_eq!(stream.next().await.data["head"], 2);
    say(&one, &session, 3..6).await;
    // All of that has been looked at, and nothing of it was told.
    Stream::of(&other, &session).await.reach(5).await;
    for _ in 0..2 {
        assert_eq!(soon("a ping", stream.any()).await.unwrap().name, "ping");
    }
    say(&one, &session, 6..8).await;
    stream.reach(7).await;
    assert_eq!(stream.reading.text, texts(6..8));
}

#[tokio::test]
async fn two_tabs_that_open_one_session_have_one() {
    let world = World::new().await;
    let (one, other) = two_nodes(&world, &[]).await;
    let body = json!({ "id": uuid::Uuid::new_v4(), "sender_id": SENDER });
    let opened = join_all([&one, &other, &one, &other].map(|node| node.post("/session", &body))).await;
    let mut statuses: Vec<_> = opened.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 201]);
    assert!(opened.iter().all(|answer| answer.body["producer_token"] == opened[0].body["producer_token"]));
}

#[tokio::test]
async fn who_reads_on_a_node_that_goes_is_sent_away_and_loses_nothing() {
    const READERS: usize = 16;
    const CHUNKS: u64 = 120;
    let world = World::new().await;
    for writers in ["2", "0"] {
        let (mut goes, stays) = two_nodes(&world, &[("DRAIN", "1600ms"), ("WRITERS", writers)]).await;
        let session = opened(&stays).await;
        let mut streams = Vec::new();
        for _ in 0..READERS {
            streams.push(Stream::of(&goes, &session).await);
        }
        say(&stays, &session, 0..10).await;
        let write = async {
            for number in 10..CHUNKS {
                say(&stays, &session, number..number + 1).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let since = Instant::now();
        goes.signal("TERM");
        let read = join_all(streams.iter_mut().map(async |stream| {
            let rest = stream.rest().await;
            assert!(rest.iter().all(|told| told.id.as_deref() != Some("end")), "{rest:?}");
            assert_eq!(stream.reading.retries.len(), 2, "it was told when to come back");
            let (gone, last_id) = (since.elapsed(), stream.reading.last_id.clone().unwrap_or_default());
            let mut again = Stream::after(&stays, &session, &last_id).await;
            again.reach(CHUNKS - 1).await;
            assert_eq!(format!("{}{}", stream.reading.text, again.reading.text), texts(0..CHUNKS));
            gone
        }));
        let (gone, ()) = tokio::join!(read, write);
        assert_eq!(soon("it ends", goes.process.wait()).await.unwrap().code(), Some(0));
        let (first, last) = (gone.iter().min().unwrap(), gone.iter().max().unwrap());
        assert!(*last - *first > Duration::from_millis(800), "all at once: {gone:?}");
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    for writers in ["2", "0"] {
        let (_world, node) = guarded(&[("WRITERS", writers)]).await;
        let long = token_for(&["*"], &["*"]);
        let exp = in_seconds(3);
        let short = token(&with(claims(&["*"], &["*"]), "exp", exp));
        let body = json!({ "sender_id": SENDER });
        let session = new(node.send_as(&long, Method::POST, "/session", Some(&body)).await);
        let follow = async |token: &str, last_id: &str| {
            let path = at(&session, &format!("/stream?last_event_id={last_id}"));
            let path = path.trim_end_matches("?last_event_id=");
            soon("an answer", node.http.get(format!("{}{path}", node.url)).bearer_auth(token).send()).await.unwrap()
        };
        let mut stays = Stream::from(follow(&long, "").await);
        let mut stream = Stream::from(follow(&short, "").await);
        say(&node, &session, 0..2).await;
        stream.reach(1).await;
        let rest = stream.rest().await;
        assert!(chrono::Utc::now().timestamp() >= exp, "not too early");
        assert_eq!((rest, stream.reading.retries.len()), (vec![], 2), "it is told when to come back, and nothing else");
        let refused = follow(&short, "1").await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "an EventSource stays away then");
        let again = Answer::of(node.http.get(refused.url().clone()).bearer_auth(&short)).await;
        assert!(challenge(&again).contains("has expired"));
        let ended = Figures::of(&node).await.get("rowcast_session_readers_ended_total", &[("reason", "expired")]);
        assert_eq!(ended, Some(1.0), "with {writers} writers");
        say(&node, &session, 2..3).await;
        stays.reach(2).await;
        Stream::from(follow(&long, "1").await).reach(2).await;
    }
}
