//! What another site's page can make its visitor's browser do here: nothing that writes, and nothing that it may read.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::{
    support::{
        Answer, Node, SENDER, World, message,
        tokens::{GUARDED, guarded, token_for},
    },
    tls::Authority,
};

const ALL: [&str; 1] = ["*"];
const EVIL: &str = "https://evil.example";
const COUNT: &str = "select count(*) from messages";

fn cookie() -> String {
    format!("__Secure-rowcast_token={}", token_for(&ALL, &ALL))
}

/// A post as a browser sends it that has the cookie, with these headers beside.
async fn post(node: &Node, headers: &[(&str, &str)]) -> u16 {
    let request = node.http.post(format!("{}/message", node.url)).json(&message("forged")).header("Cookie", cookie());
    let add = |request: RequestBuilder, (name, value): &(&str, &str)| request.header(*name, *value);
    Answer::of(headers.iter().fold(request, add)).await.status.as_u16()
}

#[tokio::test]
async fn cwe_352_a_cookie_does_not_write_for_a_page_of_elsewhere() {
    let world = World::new().await;
    let plain = world.node_with(&[&GUARDED[..], &[("CORS_ORIGINS", "https://app.example")]].concat()).await;
    // Here it is HTTP/2, which says the host in another place.
    let (authority, sealed) = (Authority::new(), GUARDED);
    let sealed = authority.node(&world, &sealed).await;
    for node in [&plain, &sealed] {
        let (scheme, host) = node.url.split_once("://").unwrap();
        let (name, _) = host.split_once(':').unwrap();
        let [same, port, no_port, user, suffix] = [
            format!("{scheme}://{host}"),
            format!("{scheme}://{name}:1"),
            format!("{scheme}://{name}"),
            format!("{scheme}://{host}@evil.example"),
            format!("{scheme}://{host}.evil.example"),
        ];
        for headers in [
            &[("Origin", EVIL)][..],
            &[("Origin", "null")],
            &[("Origin", "")],
            &[("Origin", host)],
            &[("Origin", &port)],
            &[("Origin", &no_port)],
            &[("Origin", &user)],
            &[("Origin", &suffix)],
            &[("Origin", "https://app.example.")],
            &[("Origin", &same), ("Origin", EVIL)],
            &[("Origin", EVIL), ("X-Forwarded-Host", "evil.example")],
            &[("Origin", EVIL), ("Forwarded", "host=evil.example")],
            &[("Origin", EVIL), ("Referer", &same)],
        ] {
            assert_eq!(post(node, headers).await, 403, "{scheme}: {headers:?}");
        }
        assert_eq!(world.number(COUNT).await, 0);
        assert_eq!(post(node, &[("Origin", &same)]).await, 201);
        world.sql("truncate messages").await;
    }
    assert_eq!(post(&plain, &[("Origin", "https://app.example")]).await, 201);
    // Whoever is between a browser and us can make a page of our name, but not one that came over TLS.
    let spoofed = sealed.url.replace("https://", "http://");
    assert_eq!(post(&sealed, &[("Origin", &spoofed)]).await, 403);
}

#[tokio::test]
async fn cwe_352_what_a_form_or_an_image_can_send_writes_nothing() {
    let (world, node) = guarded(&[]).await;
    let id = node.say_as(&token_for(&ALL, &ALL), message("there")).await;
    let url = |path: &str| format!("{}{path}", node.url);
    let json = json!({ "content": "forged", "sender_id": SENDER }).to_string();
    // Browsers send these without asking first, and old ones without an `Origin`.
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain;application/json",
    ] {
        let request = node.http.post(url("/message")).header("Content-Type", kind).header("Cookie", cookie());
        assert_eq!(Answer::of(request.body(json.clone())).await.status, 415, "{kind}");
    }
    for path in [format!("/message/{id}?_method=DELETE"), format!("/message/{id}?method=delete")] {
        let request = node.http.get(url(&path)).header("Cookie", cookie()).header("X-HTTP-Method-Override", "DELETE");
        assert_eq!(Answer::of(request).await.body["content"], "there");
        let request = node.http.post(url(&path)).header("Cookie", cookie()).header("X-HTTP-Method-Override", "DELETE");
        assert_eq!(Answer::of(request).await.status, 405);
    }
    assert_eq!(world.number(COUNT).await, 1);
}

#[tokio::test]
async fn cwe_942_no_page_reads_an_answer_but_those_that_are_listed() {
    let world = World::new().await;
    for listed in ["", "https://app.example", "*"] {
        let node = world.node_with(&[&GUARDED[..], &[("CORS_ORIGINS", listed)]].concat()).await;
        for origin in [
            EVIL,
            "null",
            "https://app.example.evil.example",
            "http://app.example",
            "https://app.example:8443",
            "https://APP.example",
        ] {
            for (method, path) in [
                (Method::GET, "/message"),
                (Method::GET, "/stream"),
                (Method::OPTIONS, "/message"),
                (Method::GET, "/nowhere"),
            ] {
                let request =
                    node.http.request(method.clone(), format!("{}{path}", node.url)).header("Cookie", cookie());
                let request = request.header("Origin", origin).header("Access-Control-Request-Method", "POST");
                let answer = request.send().await.unwrap();
                let said = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
                let any = (listed == "*").then(|| "*".to_owned());
                assert_eq!(
                    said("access-control-allow-origin"),
                    any,
                    "{method} {path} from {origin} where {listed} may"
                );
                assert_eq!(said("access-control-allow-credentials"), None, "{method} {path} from {origin}");
            }
        }
    }
}

#[tokio::test]
async fn cwe_1021_nothing_is_shown_in_anothers_frame() {
    let (_world, node) = guarded(&[]).await;
    let reader = token_for(&["a"], &[]);
    for (path, token, status) in [
        ("/docs", "", 200),
        ("/message", "", 401),
        ("/message?room=b", &*reader, 403),
        ("/message/1", &*reader, 404),
        ("/stream", &*reader, 200),
    ] {
        let answer = node.http.get(format!("{}{path}", node.url)).bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(answer.headers()["x-frame-options"], "DENY", "{path}");
        let policy = answer.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
    }
}
