//! A server with a key lets in who has a good token, and nobody else.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{
    Node, World, message, soon,
    tokens::{GUARDED, Issuer, SECRET, challenge, claims, guarded, in_seconds, token, token_for, with},
};

const ALL: [&str; 1] = ["*"];

#[tokio::test]
async fn without_a_token_every_call_on_messages_is_refused() {
    let (_world, node) = guarded(&[]).await;
    let id = node.say_as(&token_for(&ALL, &ALL), message("there")).await;
    let one = format!("/message/{id}");
    let patch = json!({ "content": "changed" });
    for (method, path, body) in [
        (Method::GET, "/message", None),
        (Method::POST, "/message", Some(message("hello"))),
        (Method::GET, &*one, None),
        (Method::PATCH, &*one, Some(patch)),
        (Method::DELETE, &*one, None),
        (Method::GET, "/stream", None),
    ] {
        let answer = node.send(method.clone(), path, body.as_ref()).await;
        assert_eq!(challenge(&answer), "Bearer", "{method} {path}: no error where there was no token");
    }
    for path in ["/health/live", "/health/ready", "/health", "/openapi.json", "/openapi.yaml", "/docs"] {
        let answer = node.http.get(format!("{}{path}", node.url)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path} is open");
    }
    assert_eq!(node.get_as(&token_for(&ALL, &[]), &one).await.body["content"], "there");
}

#[tokio::test]
async fn a_server_without_a_key_is_open_and_says_so() {
    let world = World::new().await;
    let (node, log) = Node::start_logged(&world, &[("LOG", "warn")]).await;
    // What cannot be checked says nothing.
    assert_eq!(node.get_as("nonsense", "/message").await.status, StatusCode::OK);
    let said = log.text();
    assert_eq!(said.matches("no token is asked for").count(), 1, "{said}");
}

#[tokio::test]
async fn a_token_of_each_kind_of_key_is_accepted() {
    let world = World::new().await;
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA] {
        let (issuer, stranger) = (Issuer::new(algorithm), Issuer::new(algorithm));
        let node = world.node_with(&[("JWT_PUBLIC_KEY", &issuer.public)]).await;
        let token = issuer.sign(None, &claims(&ALL, &ALL));
        assert_eq!(node.post_as(&token, &message("mine")).await.status, StatusCode::CREATED, "{algorithm:?}");
        let forged = stranger.sign(None, &claims(&ALL, &ALL));
        let answer = node.post_as(&forged, &message("forged")).await;
        assert!(challenge(&answer).contains("signature is wrong"), "{algorithm:?}: {answer:?}");
    }
    let node = world.node_with(&GUARDED).await;
    assert_eq!(node.get_as(&token_for(&ALL, &[]), "/message").await.status, StatusCode::OK);
}

#[tokio::test]
async fn two_keys_of_different_kinds_serve_side_by_side() {
    let issuer = Issuer::new(Algorithm::ES256);
    let (_world, node) = guarded(&[("JWT_PUBLIC_KEY", &issuer.public)]).await;
    for token in [token_for(&ALL, &[]), issuer.sign(None, &claims(&ALL, &[]))] {
        assert_eq!(node.get_as(&token, "/message").await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_token_that_is_wrong_in_any_way_is_refused_with_the_reason() {
    let rules = [("JWT_AUDIENCE", "here"), ("JWT_ISSUER", "us"), ("JWT_MAX_LENGTH", "2KiB"), ("JWT_MAX_PATTERNS", "3")];
    let (_world, node) = guarded(&rules).await;
    let good = with(with(claims(&ALL, &ALL), "aud", json!(["there", "here"])), "iss", "us");
    assert_eq!(node.get_as(&token(&good), "/message").await.status, StatusCode::OK);
    let but = |name: &str, value: Value| token(&with(good.clone(), name, value));
    let signed = |header: Header, secret: &str| encode(&header, &good, &EncodingKey::from_secret(secret.as_bytes()));
    let hs256 = || Header::new(Algorithm::HS256);
    let right = token(&good);
    let (head, rest) = right.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    let other_body = but("sub", json!("someone else"));
    let other_body = other_body.split('.').nth(1).unwrap();
    // {"alg":"none","typ":"JWT"}, and {"alg":"NONE"}
    let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}.");
    let none_too = format!("eyJhbGciOiJOT05FIn0.{body}.{signature}");
    let critical = Header { crit: Some(vec!["exp".to_owned()]), ..hs256() };
    for (token, reason) in [
        (but("exp", json!(in_seconds(-1))), "has expired"),
        (but("exp", Value::Null), "`exp` is missing"),
        (but("exp", json!("tomorrow")), "`payload`"),
        (but("nbf", json!(in_seconds(60))), "not valid yet"),
        (but("aud", json!("there")), "another audience"),
        (but("aud", json!(["there"])), "another audience"),
        (but("aud", Value::Null), "another audience"),
        (but("iss", json!("them")), "another issuer"),
        (but("iss", Value::Null), "another issuer"),
        (but("rooms", json!(["no/room"])), "`rooms`"),
        (but("rooms", json!(["a", "b", "c", "d"])), "`rooms`"),
        (but("rooms", json!("a")), "`payload`"),
        (but("filler", json!("x".repeat(2048))), "too long"),
        (none, "algorithm is not accepted"),
        (none_too, "algorithm is not accepted"),
        (signed(Header::new(Algorithm::HS512), SECRET).unwrap(), "algorithm is not accepted"),
        (signed(hs256(), "another secret, which is long enough too").unwrap(), "signature is wrong"),
        (signed(critical, SECRET).unwrap(), "not a token that can be read"),
        (Issuer::new(Algorithm::ES256).sign(None, &good), "algorithm is not accepted"),
        (format!("{head}.{other_body}.{signature}"), "signature is wrong"),
        (format!("{head}.{body}."), "signature is wrong"),
        (format!("{head}.{body}"), "not a token that can be read"),
        ("garbage".to_owned(), "not a token that can be read"),
        ("a.b.c".to_owned(), "not a token that can be read"),
        ("..".to_owned(), "not a token that can be read"),
    ] {
        let answer = node.get_as(&token, "/message").await;
        let challenge = challenge(&answer);
        assert!(challenge.starts_with("Bearer error=\"invalid_token\""), "{challenge}");
        assert!(challenge.contains(reason), "{reason}: {challenge}");
        assert!(answer.body["detail"].as_str().unwrap().contains(reason), "{}", answer.body);
        assert_eq!(challenge.matches('"').count(), 4, "{challenge}");
    }
}

#[tokio::test]
async fn a_public_key_is_never_taken_for_a_secret() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let issuer = Issuer::new(algorithm);
        let world = World::new().await;
        // Even where someone allows it by mistake.
        let allowed = format!("HS256,{algorithm:?}");
        let node = world.node_with(&[("JWT_PUBLIC_KEY", &issuer.public), ("JWT_ALGORITHMS", &allowed)]).await;
        for secret in [issuer.public.as_str(), issuer.public.trim()] {
            let key = EncodingKey::from_secret(secret.as_bytes());
            let forged = encode(&Header::new(Algorithm::HS256), &claims(&ALL, &ALL), &key).unwrap();
            let answer = node.get_as(&forged, "/message").await;
            assert!(challenge(&answer).contains("algorithm is not accepted"), "{answer:?}");
        }
        let token = issuer.sign(None, &claims(&ALL, &ALL));
        assert_eq!(node.get_as(&token, "/message").await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn clocks_may_differ_by_the_leeway() {
    let world = World::new().await;
    let node = world.node_with(&[("JWT_SECRET", SECRET), ("JWT_LEEWAY", "60s")]).await;
    for (claim, good, bad) in [("exp", -30, -90), ("nbf", 30, 90)] {
        let at = |seconds| token(&with(claims(&ALL, &[]), claim, in_seconds(seconds)));
        assert_eq!(node.get_as(&at(good), "/message").await.status, StatusCode::OK, "{claim}");
        challenge(&node.get_as(&at(bad), "/message").await);
    }
}

#[tokio::test]
async fn only_the_algorithms_that_are_set_are_accepted() {
    let world = World::new().await;
    let node = world.node_with(&[("JWT_SECRET", SECRET), ("JWT_ALGORITHMS", "HS384,HS512")]).await;
    for (algorithm, status) in [(Algorithm::HS256, 401), (Algorithm::HS384, 200), (Algorithm::HS512, 200)] {
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let token = encode(&Header::new(algorithm), &claims(&ALL, &[]), &key).unwrap();
        assert_eq!(node.get_as(&token, "/message").await.status.as_u16(), status, "{algorithm:?}");
    }
}

#[tokio::test]
async fn a_setting_that_would_not_protect_is_a_mistake_at_the_start() {
    let issuer = Issuer::new(Algorithm::ES256);
    for (settings, says) in [
        (&[("JWT_SECRET", "too short: hunter2")][..], "32 bytes or more"),
        (&[("JWT_PUBLIC_KEY", issuer.private.as_str())], "must be a public key"),
        (&[("JWT_PUBLIC_KEY", "/there/is/no/such/file")], "cannot be read"),
        (&[("JWT_JWKS_URL", "ftp://issuer")], "must be like https://"),
        (&[("JWT_SECRET", SECRET), ("JWT_ALGORITHMS", "none")], "JWT_ALGORITHMS"),
        (&[("JWT_SECRET", SECRET), ("JWT_ALGORITHMS", "RS256")], "JWT_SECRET is a key for none"),
        (&[("JWT_JWKS_URL", "http://localhost/"), ("JWT_ALGORITHMS", "HS256")], "JWT_JWKS_URL is a key for none"),
        (&[("JWT_AUDIENCE", "here")], "nothing is set to check tokens by"),
        (&[("JWT_ISSUER", "us")], "nothing is set to check tokens by"),
        (&[("JWT_DEFAULT_ROOMS", "lobby")], "nothing is set to check tokens by"),
        (&[("JWT_SECRET", SECRET), ("JWT_DEFAULT_ROOMS", "a b")], "names of rooms"),
    ] {
        let world = World::new().await;
        let mut command = Node::command("serve");
        command.env("DATABASE_URL", &world.database_url).env("REDIS_URL", &world.redis_url).env("PORT", "0");
        let output = soon("it ends", command.envs(settings.iter().copied()).kill_on_drop(true).output()).await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(says), "{settings:?}: {said}");
        assert!(!said.contains("hunter2") && !said.contains(SECRET) && !said.contains("PRIVATE KEY"), "{said}");
    }
}
