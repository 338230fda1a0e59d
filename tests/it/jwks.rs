//! Keys that an issuer publishes: fetched once for all who need them, found when they are new, and not for ever trusted
//! when the issuer is away.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::watch,
};

use crate::support::{
    Node, World,
    tokens::{Issuer, claims, with},
    until,
};

/// Where an issuer publishes its keys.
#[derive(Clone)]
struct Endpoint {
    url: String,
    /// The status line's end, and the body.
    answer: Arc<Mutex<(String, String)>>,
    fetches: Arc<AtomicUsize>,
    held: Arc<watch::Sender<bool>>,
}

impl Endpoint {
    async fn new(keys: &[Value]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Self {
            url: format!("http://{}/jwks.json", listener.local_addr().unwrap()),
            answer: Arc::default(),
            fetches: Arc::default(),
            held: Arc::new(watch::Sender::new(false)),
        };
        endpoint.publish(keys);
        let server = endpoint.clone();
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let server = server.clone();
                tokio::spawn(async move {
                    let _ = socket.read(&mut [0; 4096]).await;
                    server.fetches.fetch_add(1, Ordering::SeqCst);
                    server.held.subscribe().wait_for(|held| !held).await.unwrap();
                    let (status, body) = server.answer.lock().unwrap().clone();
                    let head =
                        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
                    let _ = socket.write_all(format!("{head}{body}").as_bytes()).await;
                });
            }
        });
        endpoint
    }

    fn say(&self, status: &str, body: String) {
        *self.answer.lock().unwrap() = (status.to_owned(), body);
    }

    fn publish(&self, keys: &[Value]) {
        self.say("200 OK", json!({ "keys": keys }).to_string());
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    /// A node that trusts this issuer.
    async fn node(&self, world: &World, more: &[(&str, &str)]) -> Node {
        world.node_with(&[&[("JWT_JWKS_URL", self.url.as_str()), ("LOG", "error")], more].concat()).await
    }
}

async fn status(node: &Node, token: &str) -> u16 {
    node.get_as(token, "/message").await.status.as_u16()
}

fn everything() -> Value {
    claims(&["*"], &["*"])
}

#[tokio::test]
async fn a_key_of_each_kind_is_found_by_its_name() {
    let issuers = [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA].map(Issuer::new);
    let mut keys: Vec<Value> = issuers.iter().map(|issuer| issuer.jwk(&format!("{:?}", issuer.algorithm))).collect();
    // What is not for us disturbs nobody.
    keys.insert(0, json!({ "kty": "AKP", "alg": "ML-DSA-44", "kid": "new", "pub": "x" }));
    keys.insert(0, json!({ "kty": "EC", "crv": "secp256k1", "kid": "coin", "x": "x", "y": "y" }));
    keys.insert(0, json!("nonsense"));
    let (world, endpoint) = (World::new().await, Endpoint::new(&keys).await);
    let node = endpoint.node(&world, &[]).await;
    for issuer in &issuers {
        let named = issuer.sign(Some(&format!("{:?}", issuer.algorithm)), &everything());
        assert_eq!(status(&node, &named).await, 200, "{:?}", issuer.algorithm);
        let only_one_fits = issuer.sign(None, &everything());
        assert_eq!(status(&node, &only_one_fits).await, 200, "{:?} without a name", issuer.algorithm);
        let misnamed = issuer.sign(Some("coin"), &everything());
        assert_eq!(status(&node, &misnamed).await, 401, "{:?}", issuer.algorithm);
        let stranger = Issuer::new(issuer.algorithm);
        let forged = stranger.sign(Some(&format!("{:?}", issuer.algorithm)), &everything());
        assert_eq!(status(&node, &forged).await, 401, "{:?}", issuer.algorithm);
    }
}

#[tokio::test]
async fn a_key_that_is_not_for_signatures_or_for_another_algorithm_is_not_used() {
    let (rsa, ec) = (Issuer::new(Algorithm::RS256), Issuer::new(Algorithm::ES256));
    let secret = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldA";
    let keys = [
        with(rsa.jwk("encrypts"), "use", "enc"),
        with(rsa.jwk("encrypts too"), "key_ops", json!(["encrypt"])),
        with(rsa.jwk("other"), "alg", "PS256"),
        with(rsa.jwk("unknown"), "alg", "RS1"),
        with(ec.jwk("no kind of its own"), "alg", "RS256"),
        with(rsa.jwk("plain"), "alg", Value::Null),
        json!({ "kty": "oct", "kid": "oct", "alg": "HS256", "k": secret }),
    ];
    let (world, endpoint) = (World::new().await, Endpoint::new(&keys).await);
    let node = endpoint.node(&world, &[("JWT_ALGORITHMS", "HS256,RS256,PS256,ES256")]).await;
    assert_eq!(status(&node, &rsa.sign(Some("plain"), &everything())).await, 200);
    for name in ["encrypts", "encrypts too", "other", "unknown"] {
        assert_eq!(status(&node, &rsa.sign(Some(name), &everything())).await, 401, "{name}");
    }
    assert_eq!(status(&node, &ec.sign(Some("no kind of its own"), &everything())).await, 401);
    for key in [EncodingKey::from_urlsafe_base64_secret(&format!("{secret}==")), EncodingKey::from_base64_secret("")] {
        let Ok(key) = key else { continue };
        let header = Header { kid: Some("oct".to_owned()), ..Header::new(Algorithm::HS256) };
        assert_eq!(status(&node, &encode(&header, &everything(), &key).unwrap()).await, 401, "a secret in public");
    }
}

#[tokio::test]
async fn without_its_name_a_key_is_not_guessed() {
    let [one, two] = [Issuer::new(Algorithm::ES256), Issuer::new(Algorithm::ES256)];
    let (world, endpoint) = (World::new().await, Endpoint::new(&[one.jwk("one"), two.jwk("two")]).await);
    let node = endpoint.node(&world, &[]).await;
    assert_eq!(status(&node, &two.sign(Some("two"), &everything())).await, 200);
    for issuer in [one, two] {
        assert_eq!(status(&node, &issuer.sign(None, &everything())).await, 401);
    }
}

#[tokio::test]
async fn a_new_key_is_accepted_after_one_fetch_and_a_withdrawn_one_no_more() {
    let [old, new] = [Issuer::new(Algorithm::ES256), Issuer::new(Algorithm::ES256)];
    let (world, endpoint) = (World::new().await, Endpoint::new(&[old.jwk("old")]).await);
    let node = endpoint.node(&world, &[("JWT_JWKS_PAUSE", "1ms")]).await;
    let [by_old, by_new] = [old.sign(Some("old"), &everything()), new.sign(Some("new"), &everything())];
    assert_eq!((status(&node, &by_old).await, endpoint.fetches()), (200, 1));
    endpoint.publish(&[new.jwk("new")]);
    assert_eq!((status(&node, &by_new).await, endpoint.fetches()), (200, 2), "no fetch but the one");
    assert_eq!(status(&node, &by_old).await, 401);
}

#[tokio::test]
async fn keys_are_fetched_anew_in_time_without_anyone_asking() {
    let issuer = Issuer::new(Algorithm::ES256);
    let (world, endpoint) = (World::new().await, Endpoint::new(&[issuer.jwk("key")]).await);
    let node = endpoint.node(&world, &[("JWT_JWKS_MAX_AGE", "50ms")]).await;
    until("it is fetched again and again", async || endpoint.fetches() > 3).await;
    assert_eq!(status(&node, &issuer.sign(Some("key"), &everything())).await, 200);
}

#[tokio::test]
async fn all_who_wait_for_a_key_wait_for_the_same_fetch() {
    let issuer = Issuer::new(Algorithm::ES256);
    let (world, endpoint) = (World::new().await, Endpoint::new(&[issuer.jwk("key")]).await);
    endpoint.held.send_replace(true);
    let node = endpoint.node(&world, &[("JWT_JWKS_PAUSE", "1h")]).await;
    let token = issuer.sign(Some("key"), &everything());
    let waiting = future::join_all((0..100).map(|_| status(&node, &token)));
    let release = async {
        until("the fetch is under way", async || endpoint.fetches() > 0).await;
        endpoint.held.send_replace(false);
    };
    let (statuses, ()) = future::join(waiting, release).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let unknown = issuer.sign(Some("unknown"), &everything());
    let statuses = future::join_all((0..100).map(|_| status(&node, &unknown))).await;
    assert!(statuses.iter().all(|status| *status == 401), "{statuses:?}");
    assert_eq!(endpoint.fetches(), 1, "who invents keys causes no fetch so soon");
}

#[tokio::test]
async fn a_hundred_at_once_with_a_key_that_is_not_known_cause_one_fetch() {
    const PAUSE: Duration = Duration::from_secs(3);
    let issuer = Issuer::new(Algorithm::ES256);
    let (world, endpoint) = (World::new().await, Endpoint::new(&[issuer.jwk("key")]).await);
    let node = endpoint.node(&world, &[("JWT_JWKS_PAUSE", "3s")]).await;
    let unknown = issuer.sign(Some("unknown"), &everything());
    until("one is due", async || status(&node, &unknown).await == 401 && endpoint.fetches() == 2).await;
    let begun = Instant::now();
    let mut rounds = 0;
    while begun.elapsed() < PAUSE * 2 {
        let statuses = future::join_all((0..100).map(|_| status(&node, &unknown))).await;
        assert!(statuses.iter().all(|status| *status == 401), "{statuses:?}");
        rounds += 1;
    }
    let most = 3 + begun.elapsed().as_secs() as usize / PAUSE.as_secs() as usize;
    assert!((3..=most).contains(&endpoint.fetches()), "{} fetches in {rounds} rounds", endpoint.fetches());
}

#[tokio::test]
async fn while_the_issuer_is_away_its_last_keys_serve_on() {
    let issuer = Issuer::new(Algorithm::ES256);
    let (world, endpoint) = (World::new().await, Endpoint::new(&[issuer.jwk("key")]).await);
    let node = endpoint.node(&world, &[("JWT_JWKS_MAX_AGE", "50ms"), ("JWT_JWKS_PAUSE", "20ms")]).await;
    let token = issuer.sign(Some("key"), &everything());
    assert_eq!(status(&node, &token).await, 200);
    let large = json!({ "keys": [], "filler": "x".repeat(300 << 10) }).to_string();
    for (how, body) in [("500 Broken", "{}"), ("200 OK", "<html>"), ("200 OK", &large)] {
        endpoint.say(how, body.to_owned());
        let before = endpoint.fetches();
        until("it was fetched some more", async || endpoint.fetches() > before + 3).await;
        assert_eq!(status(&node, &token).await, 200, "{how}");
    }
}

#[tokio::test]
async fn too_old_keys_serve_nobody_until_the_issuer_is_back() {
    let issuer = Issuer::new(Algorithm::ES256);
    let (world, endpoint) = (World::new().await, Endpoint::new(&[issuer.jwk("key")]).await);
    let settings = [("JWT_JWKS_MAX_AGE", "100ms"), ("JWT_JWKS_STALE", "200ms"), ("JWT_JWKS_PAUSE", "20ms")];
    let node = endpoint.node(&world, &settings).await;
    let token = issuer.sign(Some("key"), &everything());
    until("it is there", async || status(&node, &token).await == 200).await;
    endpoint.say("500 Broken", String::new());
    until("the keys are too old", async || status(&node, &token).await == 503).await;
    let answer = node.get_as(&token, "/message").await;
    assert_eq!(answer.body["type"], "urn:rowcast:problem:unavailable");
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(node.get("/message").await.status, StatusCode::UNAUTHORIZED, "without a token it is no matter of keys");
    endpoint.publish(&[issuer.jwk("key")]);
    until("the keys are back", async || status(&node, &token).await == 200).await;
}

#[tokio::test]
async fn a_node_starts_without_its_issuer() {
    let issuer = Issuer::new(Algorithm::ES256);
    let (world, endpoint) = (World::new().await, Endpoint::new(&[]).await);
    endpoint.say("503 Later", String::new());
    let node = endpoint.node(&world, &[("JWT_JWKS_PAUSE", "20ms")]).await;
    let token = issuer.sign(Some("key"), &everything());
    assert_eq!(status(&node, &token).await, 503);
    endpoint.publish(&[issuer.jwk("key")]);
    until("the keys are there", async || status(&node, &token).await == 200).await;
}

#[tokio::test]
async fn keys_are_not_taken_from_where_the_endpoint_points_to() {
    let issuer = Issuer::new(Algorithm::ES256);
    let (world, other) = (World::new().await, Endpoint::new(&[issuer.jwk("key")]).await);
    let endpoint = Endpoint::new(&[]).await;
    endpoint.say(&format!("302 Found\r\nlocation: {}", other.url), String::new());
    let node = endpoint.node(&world, &[("JWT_JWKS_PAUSE", "20ms")]).await;
    assert_eq!(status(&node, &issuer.sign(Some("key"), &everything())).await, 503);
    assert_eq!(other.fetches(), 0);
}
