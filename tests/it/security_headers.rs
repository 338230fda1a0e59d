//! Every answer tells browsers what not to do with it: errors, pages and streams too.

use reqwest::{Method, Response, StatusCode, header::HeaderMap};

use crate::support::{Node, World, message, soon};

async fn ask(node: &Node, method: Method, path: &str) -> Response {
    soon("an answer", node.http.request(method, format!("{}{path}", node.url)).send()).await.unwrap()
}

fn said<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    assert!(headers.get_all(name).iter().count() <= 1, "{name} is said twice");
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

fn assert_guarded(what: &str, headers: &HeaderMap) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("cross-origin-resource-policy", "same-origin"),
        // It is no TLS.
        ("strict-transport-security", ""),
        ("server", ""),
    ] {
        assert_eq!(said(headers, name), value, "{name} of {what}");
    }
    let policy = said(headers, "content-security-policy");
    assert!(policy.starts_with("default-src '") && policy.contains("frame-ancestors 'none'"), "{what}: {policy}");
}

#[tokio::test]
async fn every_answer_is_guarded() {
    let world = World::new().await;
    for writers in ["2", "0"] {
        let node = world.node_with(&[("WRITERS", writers)]).await;
        let id = node.say(message("1")).await;
        let one = format!("/message/{id}");
        for (method, path, status) in [
            (Method::GET, "/message", 200),
            (Method::GET, &one, 200),
            (Method::DELETE, &one, 204),
            (Method::GET, &one, 404),
            (Method::GET, "/message?limit=0", 422),
            (Method::POST, "/message", 415),
            (Method::PUT, "/message", 405),
            (Method::PUT, "/openapi.yaml", 405),
            (Method::GET, "/nowhere", 404),
            (Method::GET, "/health/live", 200),
            (Method::GET, "/stream", 200),
            (Method::GET, "/stream?last_event_id=x", 422),
        ] {
            let answer = ask(&node, method, path).await;
            assert_eq!(answer.status().as_u16(), status, "{path}");
            assert_guarded(path, answer.headers());
            assert_eq!(said(answer.headers(), "cache-control"), "no-store", "{path}");
            assert_eq!(said(answer.headers(), "content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
        }
        for path in ["/docs", "/docs/", "/openapi.json", "/openapi.yaml"] {
            let answer = ask(&node, Method::GET, path).await;
            assert_eq!(answer.status(), StatusCode::OK);
            assert_guarded(path, answer.headers());
            assert!(said(answer.headers(), "content-security-policy").starts_with("default-src 'none'"), "{path}");
            assert!(said(answer.headers(), "cache-control").starts_with("max-age="), "{path}");
        }
    }
}

#[tokio::test]
async fn what_those_who_look_after_the_node_are_told_is_guarded_as_well() {
    let world = World::new().await;
    let node = world.node_with(&[("ADMIN_PORT", "0")]).await;
    let admin = node.admin.as_ref().unwrap();
    for path in ["/", "/console/main.js", "/health", "/health/nodes", "/metrics", "/nowhere"] {
        let answer = soon("an answer", node.http.get(format!("{admin}{path}")).send()).await.unwrap();
        assert_guarded(path, answer.headers());
        let page = path == "/" || path.starts_with("/console");
        let (policy, kept) = if page { ("'self'", "no-cache") } else { ("'none'", "no-store") };
        assert!(
            said(answer.headers(), "content-security-policy").starts_with(&format!("default-src {policy}")),
            "{path}"
        );
        assert_eq!(said(answer.headers(), "cache-control"), kept, "{path}");
    }
}

#[tokio::test]
async fn the_page_of_the_document_runs_its_own_scripts_and_no_others() {
    let (_world, node) = World::with_node().await;
    let answer = ask(&node, Method::GET, "/docs").await;
    let policy = said(answer.headers(), "content-security-policy").to_owned();
    let (_, scripts) = policy.split_once("script-src ").unwrap();
    let scripts = scripts.split(';').next().unwrap();
    assert_eq!(scripts.split(' ').filter(|source| source.starts_with("'sha256-")).count(), 3, "{scripts}");
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"), "{policy}");
    assert!(policy.contains("connect-src 'self'") && policy.contains("base-uri 'none'"), "{policy}");
}

#[tokio::test]
async fn the_head_of_a_stream_stays_short() {
    let (_world, node) = World::with_node().await;
    let answer = ask(&node, Method::GET, "/stream").await;
    let bytes: usize = answer.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    assert!(bytes < 600, "{bytes} bytes");
}
