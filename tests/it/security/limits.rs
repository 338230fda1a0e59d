//! No way around the limits: not by headers, by other methods, by many at once, or by guessing.

use futures_util::future::join_all;
use jsonwebtoken::{EncodingKey, Header, encode};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use crate::support::{
    Answer, Node, SENDER, World, message_in, soon,
    tokens::{claims, guarded, token, token_for, with},
    until,
};

/// However busy the machine is, Redis is not taken to be away.
const PATIENT: (&str, &str) = ("REDIS_PATIENCE", "10s");

async fn status(request: RequestBuilder) -> u16 {
    soon("an answer", request.send()).await.unwrap().status().as_u16()
}

fn ask(node: &Node, method: &Method, path: &str) -> RequestBuilder {
    node.http.request(method.clone(), format!("{}{path}", node.url))
}

/// A token under a secret that someone has guessed.
fn guessed(number: usize, claims: &Value) -> String {
    let secret = format!("a guess of more than 32 bytes, number {number}");
    encode(&Header::default(), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

#[tokio::test]
async fn cwe_348_no_header_makes_another_caller() {
    let world = World::new().await;
    let node = world.node_with(&[("RATE_READ", "3/1h"), PATIENT]).await;
    let names = ["X-Forwarded-For", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP", "Client-IP"];
    let mut granted = 0;
    for (number, name) in names.iter().enumerate() {
        let request = ask(&node, &Method::GET, "/message").header(*name, format!("192.0.2.{number}"));
        let request = request.header("Forwarded", format!("for=198.51.100.{number}")).bearer_auth(number);
        granted += usize::from(status(request).await == 200);
    }
    assert_eq!(granted, 3);
}

#[tokio::test]
async fn cwe_307_to_guess_tokens_is_counted_and_at_nobody_elses_cost() {
    let (_world, node) = guarded(&[("RATE_READ", "5/1h"), PATIENT]).await;
    let mut seen = Vec::new();
    for number in 0..10 {
        // Whom a forged token names has nothing to do with it.
        let sub = if number % 2 == 0 { SENDER.to_owned() } else { format!("user-{number}") };
        let forged = guessed(number, &with(claims(&["*"], &[]), "sub", sub));
        let request = ask(&node, &Method::GET, "/message");
        seen.push(
            status(match number % 3 {
                0 => request.bearer_auth(forged),
                1 => request.header("Cookie", format!("__Secure-rowcast_token={forged}")),
                _ => request,
            })
            .await,
        );
    }
    assert_eq!(seen, [401, 401, 401, 401, 401, 429, 429, 429, 429, 429]);
    let answer = node.get_as(&token_for(&["*"], &[]), "/message").await;
    assert_eq!((answer.status.as_u16(), &answer.headers["ratelimit-remaining"]), (200, &"4".parse().unwrap()));
}

#[tokio::test]
async fn cwe_770_whatever_way_it_is_asked_it_is_counted() {
    let world = World::new().await;
    let node = world.node_with(&[("RATE_READ", "3/1h"), ("RATE_STREAM", "3/1h"), PATIENT]).await;
    for (ways, other) in [
        ([(Method::HEAD, "/message"), (Method::GET, "/message?room=a"), (Method::HEAD, "/message/7")], "/message"),
        ([(Method::HEAD, "/stream"), (Method::GET, "/stream?"), (Method::HEAD, "/stream?room=a")], "/stream"),
    ] {
        for (method, path) in ways {
            let status = status(ask(&node, &method, path)).await;
            assert!([200, 404].contains(&status), "{method} {path}: {status}");
        }
        // What is not counted opens nothing and gives nothing back.
        for (method, path) in [
            (Method::OPTIONS, other.to_owned()),
            (Method::GET, format!("/{other}")),
            (Method::GET, "/%73tream".into()),
            (Method::GET, format!("{other}/")),
        ] {
            let status = status(ask(&node, &method, &path)).await;
            assert!([404, 405].contains(&status), "{method} {path}: {status}");
        }
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(status(ask(&node, &method, other)).await, 429, "{method} {other}");
        }
    }
}

#[tokio::test]
async fn cwe_770_many_at_once_on_one_connection_are_as_many_as_one_by_one() {
    let world = World::new().await;
    let mut node = world.node_with(&[("RATE_WRITE", "7/1h"), PATIENT]).await;
    node.http = Client::builder().http2_prior_knowledge().build().unwrap();
    let posts =
        join_all((0..60).map(async |number| node.post("/message", &message_in("a", &number.to_string())).await));
    let granted = posts.await.iter().filter(|answer| answer.status == 201).count();
    assert_eq!((granted, world.number("select count(*) from messages").await), (7, 7));
}

#[tokio::test]
async fn cwe_772_a_stream_that_is_only_asked_about_leaves_nothing_open() {
    let world = World::new().await;
    for writers in ["2", "0"] {
        let mut node = world.node_with(&[("MAX_STREAMS_PER_USER", "1"), ("WRITERS", writers)]).await;
        for client in [Client::new(), Client::builder().http2_prior_knowledge().build().unwrap()] {
            node.http = client;
            for _ in 0..5 {
                until("there is a place", async || status(ask(&node, &Method::HEAD, "/stream")).await == 200).await;
            }
        }
        until("nobody is there", async || node.get("/health").await.body["hub"]["subscribers"] == 0).await;
    }
}

#[tokio::test]
async fn cwe_407_rooms_beyond_the_most_are_not_looked_at() {
    let (_world, node) = guarded(&[("MAX_ROOMS", "3")]).await;
    let reader = token(&claims(&["a", "team-*"], &[]));
    let answer = node.get_as(&reader, "/stream?room=b&room=c&room=d&room=e").await;
    assert_eq!((answer.status.as_u16(), answer.wrong_fields()), (422, vec!["room"]), "{}", answer.body);
    let many: String = (0..5000).map(|number| format!("&room=r{number}")).collect();
    assert_eq!(node.get_as(&reader, &format!("/stream?{}", &many[1..])).await.status, 422);
    assert_eq!(
        Answer::of(ask(&node, &Method::GET, "/stream?room=b&room=b&room=b&room=b").bearer_auth(&reader)).await.status,
        403
    );
}
