//! Pages of listed origins may call, and read what they are answered, errors and streams too; others' pages may not.

use reqwest::{Method, RequestBuilder, Response, StatusCode, header::HeaderMap};

use crate::support::{Events, Node, World, message, soon};

const APP: &str = "https://app.example";
const OTHER: &str = "https://other.example";

async fn send(request: RequestBuilder) -> Response {
    soon("an answer", request.send()).await.unwrap()
}

async fn get(node: &Node, path: &str, origin: Option<&str>) -> Response {
    let request = node.http.get(format!("{}{path}", node.url));
    send(origin.into_iter().fold(request, |request, origin| request.header("Origin", origin))).await
}

async fn preflight(node: &Node, path: &str, origin: &str) -> Response {
    let request = node.http.request(Method::OPTIONS, format!("{}{path}", node.url)).header("Origin", origin);
    let asked = request.header("Access-Control-Request-Method", "PATCH");
    send(asked.header("Access-Control-Request-Headers", "authorization,content-type,idempotency-key")).await
}

/// What a header says, with all its lines; nothing if there is none.
fn said(headers: &HeaderMap, name: &str) -> String {
    let lines: Vec<&str> = headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
    lines.join(", ").to_lowercase()
}

fn allowed(headers: &HeaderMap) -> String {
    said(headers, "access-control-allow-origin")
}

async fn node_for(world: &World, origins: &str) -> Node {
    world.node_with(&[("CORS_ORIGINS", origins)]).await
}

#[tokio::test]
async fn a_page_of_a_listed_origin_may_read_answers_and_errors() {
    let world = World::new().await;
    let node = node_for(&world, "https://admin.example, https://app.example").await;
    for path in ["/message", "/message?limit=0", "/message/7", "/nowhere", "/health", "/openapi.json"] {
        let answer = get(&node, path, Some(APP)).await;
        let headers = answer.headers();
        assert_eq!(allowed(headers), APP, "{path}");
        assert_eq!(said(headers, "access-control-allow-credentials"), "true", "{path}");
        assert!(said(headers, "vary").contains("origin"), "{path}");
        let exposed = said(headers, "access-control-expose-headers");
        for name in [
            "feed-position",
            "location",
            "ratelimit-limit",
            "ratelimit-remaining",
            "ratelimit-reset",
            "retry-after",
            "x-request-id",
            "idempotency-replayed",
        ] {
            assert!(exposed.split(", ").any(|exposed| exposed == name), "{path} hides {name}");
        }
    }
}

#[tokio::test]
async fn a_page_of_another_origin_is_not_let_in() {
    let world = World::new().await;
    let node = node_for(&world, APP).await;
    for origin in [OTHER, "https://app.example.other.example", "http://app.example", "https://app.example:444", "null"]
    {
        for path in ["/message", "/nowhere"] {
            let answer = get(&node, path, Some(origin)).await;
            assert_eq!(allowed(answer.headers()), "", "{origin}");
            assert_eq!(said(answer.headers(), "access-control-allow-credentials"), "");
        }
        let answer = preflight(&node, "/message/1", origin).await;
        assert_eq!((allowed(answer.headers()), answer.status()), (String::new(), StatusCode::METHOD_NOT_ALLOWED));
    }
    // A cache must not give to one what was said to another, or to nobody.
    for origin in [None, Some(OTHER)] {
        let vary = said(get(&node, "/message", origin).await.headers(), "vary");
        assert!(vary.contains("origin") && vary.contains("accept-encoding"), "{vary}");
    }
}

#[tokio::test]
async fn a_preflight_is_answered_for_any_path() {
    let world = World::new().await;
    let node = node_for(&world, APP).await;
    for path in ["/message", "/message/1", "/stream", "/nowhere", "/"] {
        let answer = preflight(&node, path, APP).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT, "{path}");
        let headers = answer.headers();
        assert_eq!((allowed(headers), said(headers, "vary")), (APP.to_owned(), "origin".to_owned()));
        let methods = said(headers, "access-control-allow-methods");
        for method in ["get", "post", "patch", "delete"] {
            assert!(methods.contains(method), "{methods}");
        }
        let accepted = said(headers, "access-control-allow-headers");
        for name in ["authorization", "content-type", "idempotency-key", "last-event-id", "x-request-id", "traceparent"]
        {
            assert!(accepted.contains(name), "{accepted}");
        }
        assert!(said(headers, "access-control-max-age").parse::<u32>().unwrap() >= 600);
    }
    // No preflight: there is no such method.
    let options = node.http.request(Method::OPTIONS, format!("{}/message", node.url)).header("Origin", APP);
    assert_eq!(send(options).await.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn all_origins_are_let_in_only_without_cookies() {
    let world = World::new().await;
    let node = node_for(&world, "*").await;
    for answer in [
        get(&node, "/message", Some(OTHER)).await,
        get(&node, "/nowhere", Some(OTHER)).await,
        preflight(&node, "/message", OTHER).await,
    ] {
        assert_eq!(allowed(answer.headers()), "*");
        assert_eq!(said(answer.headers(), "access-control-allow-credentials"), "");
        // The same for all.
        assert!(!said(answer.headers(), "vary").contains("origin"));
    }
}

#[tokio::test]
async fn no_page_is_let_in_where_nobody_is_listed() {
    let (_world, node) = World::with_node().await;
    for answer in [get(&node, "/message", Some(APP)).await, preflight(&node, "/message", APP).await] {
        assert!(answer.headers().keys().all(|name| !name.as_str().starts_with("access-control")), "{answer:?}");
        assert!(!said(answer.headers(), "vary").contains("origin"));
    }
}

#[tokio::test]
async fn a_page_may_follow_a_stream_however_it_is_written() {
    let world = World::new().await;
    for (writers, origins) in [("2", APP), ("0", APP), ("2", "*"), ("0", "*")] {
        let node = world.node_with(&[("WRITERS", writers), ("CORS_ORIGINS", origins)]).await;
        let answer = get(&node, "/stream", Some(APP)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(allowed(answer.headers()), origins, "WRITERS={writers}");
        // It is handed over all the same.
        assert_eq!(said(answer.headers(), "connection") == "close", writers != "0");
        let mut events = Events::new(answer);
        assert_eq!(events.next().await.kind(), "connected");
        node.say(message("to a page")).await;
        assert_eq!(events.next().await.content(), "to a page");
        assert_eq!(allowed(get(&node, "/stream?last_event_id=x", Some(APP)).await.headers()), origins);
    }
}
