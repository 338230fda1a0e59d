//! A token comes by the roads that it may take, and leaves no trace on them; a cookie does not write for strangers.

use jsonwebtoken::Algorithm;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{
    Answer, Node, World, message,
    tokens::{GUARDED, Issuer, SECRET, challenge, claims, guarded, token_for},
};

const ALL: [&str; 1] = ["*"];

/// A request with these headers.
async fn ask(node: &Node, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = node.http.request(method.clone(), format!("{}{path}", node.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(if method == Method::POST { request.json(&message("hello")) } else { request }).await
}

#[tokio::test]
async fn a_token_may_come_in_a_cookie_or_a_header_but_not_in_two_that_differ() {
    let (_world, node) = guarded(&[("JWT_COOKIE", "pass")]).await;
    let (mine, other) = (token_for(&ALL, &ALL), token_for(&ALL, &[]));
    let (bearer, bearer_too) = (format!("Bearer {mine}"), format!("bearer  {mine}"));
    let (cookie, second) = (format!("theme=dark; pass={mine}; lang=de"), format!("pass={other}"));
    let quoted = format!("pass=\"{mine}\"");
    for headers in [
        &[("authorization", &*bearer)][..],
        &[("authorization", &bearer_too)],
        &[("cookie", &cookie)],
        &[("cookie", &quoted)],
        &[("cookie", &cookie), ("authorization", &bearer)],
        &[("authorization", "Basic dXNlcjpwYXNz"), ("cookie", &cookie)],
    ] {
        let answer = ask(&node, Method::GET, "/message", headers).await;
        assert_eq!(answer.status, StatusCode::OK, "{headers:?}");
    }
    for headers in [
        &[("authorization", &*bearer), ("cookie", &second)][..],
        &[("cookie", &cookie), ("cookie", &second)],
        &[("authorization", &bearer), ("authorization", "Bearer other")],
    ] {
        let answer = ask(&node, Method::GET, "/message", headers).await;
        assert!(challenge(&answer).contains("invalid_request"), "{headers:?}");
    }
    for headers in [&[("authorization", "Basic dXNlcjpwYXNz")][..], &[("cookie", "passe=x")]] {
        assert_eq!(challenge(&ask(&node, Method::GET, "/message", headers).await), "Bearer");
    }
    let usual = format!("__Secure-rowcast_token={mine}");
    challenge(&ask(&node, Method::GET, "/message", &[("cookie", &usual)]).await);
    let node = guarded(&[]).await.1;
    assert_eq!(ask(&node, Method::GET, "/message", &[("cookie", &usual)]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn another_sites_page_cannot_write_with_a_cookie() {
    let (_world, node) = guarded(&[]).await;
    let token = token_for(&ALL, &ALL);
    let (cookie, bearer) = (format!("__Secure-rowcast_token={token}"), format!("Bearer {token}"));
    let host = node.url.strip_prefix("http://").unwrap();
    let (here, https) = (format!("http://{host}"), format!("https://{host}"));
    for origin in [None, Some(&*here), Some(&https)] {
        let mut headers = vec![("cookie", cookie.as_str())];
        headers.extend(origin.map(|origin| ("origin", origin)));
        let answer = ask(&node, Method::POST, "/message", &headers).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{origin:?}");
    }
    let longer = format!("{here}.evil.example");
    for origin in ["https://evil.example", "null", "", &longer] {
        for method in [Method::POST, Method::PATCH, Method::DELETE] {
            let path = if method == Method::POST { "/message" } else { "/message/1" };
            let headers = [("cookie", cookie.as_str()), ("origin", origin)];
            let answer = ask(&node, method.clone(), path, &headers).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} from {origin}: {}", answer.body);
            assert_eq!(answer.body["type"], "urn:rowcast:problem:forbidden");
        }
        let headers = [("cookie", cookie.as_str()), ("origin", origin)];
        assert_eq!(ask(&node, Method::GET, "/message", &headers).await.status, StatusCode::OK, "reading does no harm");
        // No page can make a browser send this header by itself.
        let headers = [("cookie", cookie.as_str()), ("authorization", &bearer), ("origin", origin)];
        assert_eq!(ask(&node, Method::POST, "/message", &headers).await.status, StatusCode::CREATED);
    }
}

#[tokio::test]
async fn a_stream_takes_its_token_from_the_query_only_if_that_is_set() {
    let token = token_for(&ALL, &ALL);
    let query = format!("?access_token={token}");
    let (_world, node) = guarded(&[]).await;
    assert_eq!(challenge(&node.get(&format!("/stream{query}")).await), "Bearer");
    let (_world, node) = guarded(&[("JWT_QUERY", "true")]).await;
    let mut stream = node.stream(&query).await;
    node.say_as(&token, message("for the query")).await;
    assert_eq!(stream.next().await.content(), "for the query");
    let mut stream = node.stream(&format!("?room=lobby&access_token={token}&last_event_id=1-0")).await;
    assert_eq!(stream.next().await.content(), "for the query");
    assert_eq!(challenge(&node.get(&format!("/message{query}")).await), "Bearer", "only streams");
    let other = format!("/stream{query}&access_token=other");
    assert!(challenge(&node.get(&other).await).contains("invalid_request"));
    let other = format!("Bearer {}", token_for(&[], &ALL));
    let answer = ask(&node, Method::GET, &format!("/stream{query}"), &[("authorization", &other)]).await;
    assert!(challenge(&answer).contains("invalid_request"));
}

#[tokio::test]
async fn no_token_and_no_secret_is_ever_logged() {
    let issuer = Issuer::new(Algorithm::ES256);
    let settings = [
        ("LOG", "rowcast=trace,poem=trace,info"),
        ("JWT_QUERY", "true"),
        ("JWT_JWKS_URL", "http://user:hunter2@127.0.0.1:1/jwks?key=hunter2"),
        ("JWT_PUBLIC_KEY", &issuer.public),
    ];
    let world = World::new().await;
    let (node, log) = Node::start_logged(&world, &[&GUARDED[..], &settings].concat()).await;
    let good = token_for(&ALL, &ALL);
    for token in [&good, &format!("{good}bad")] {
        for path in ["/stream", "/message", "/nowhere"] {
            let url = format!("{}{path}", node.url);
            node.http.get(format!("{url}?access_token={token}")).send().await.unwrap();
            node.http.get(format!("{url}?access_token={token}&room=!")).send().await.unwrap();
            node.http.get(url).bearer_auth(token).send().await.unwrap();
        }
    }
    let unknown = Issuer::new(Algorithm::RS256).sign(Some("nobody's"), &claims(&ALL, &ALL));
    let answer = node.get_as(&unknown, "/message").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);
    // Something was logged.
    log.line(&["JWT_JWKS_URL"]).await;
    let said = log.text();
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    for secret in [&signature(&good), &signature(&unknown), SECRET, "hunter2", "BEGIN PUBLIC"] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
}

#[tokio::test]
async fn the_document_says_how_a_token_comes() {
    let output = Node::command("openapi").output().await.unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!((&schemes["bearer"]["scheme"], &schemes["bearer"]["bearerFormat"]), (&json!("bearer"), &json!("JWT")));
    assert_eq!(schemes["cookie"]["name"], "__Secure-rowcast_token");
    assert_eq!(schemes["query"]["in"], "query");
    let common = json!([{ "bearer": [] }, { "cookie": [] }, {}]);
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let expected = match path.as_str() {
                "/stream" | "/session/{id}/stream" => json!([{ "bearer": [] }, { "cookie": [] }, { "query": [] }, {}]),
                // It is no user's: it has the token of a session's producer.
                "/session/{id}/chunk" => json!([{ "producer": [] }]),
                path if path.starts_with("/health") || path == "/metrics" => Value::Null,
                _ => common.clone(),
            };
            assert_eq!(operation["security"], expected, "{method} {path}");
        }
    }
}
