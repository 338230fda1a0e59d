//! The model is asked so often by each caller and no oftener, by whatever name it is asked.

use super::*;
use crate::{
    problems::assert_problem,
    support::{
        Figures, Link, raw,
        tokens::{GUARDED, claims, token, with},
    },
};

/// An echo that is done at once; and however busy the machine is, Redis is not taken to be away.
const BRISK: [(&str, &str); 3] = [("LLM_ECHO_PACE", "0s"), ("REDIS_PATIENCE", "10s"), ("LOG", "error")];

fn standing(answer: &Answer) -> [Option<&str>; 2] {
    ["ratelimit-limit", "ratelimit-remaining"].map(|name| header(answer, name))
}

#[tokio::test]
async fn where_nothing_is_set_an_address_asks_ten_times_a_minute_on_all_nodes_together() {
    let world = World::new().await;
    let nodes = [world.node_with(&BRISK).await, world.node_with(&BRISK).await];
    for left in (0..10).rev() {
        let answer = nodes[left % 2].post("/chat", &saying("hello")).await;
        assert_eq!((answer.status, standing(&answer)), (StatusCode::ACCEPTED, [Some("10"), Some(&*left.to_string())]));
    }
    let refused = nodes[0].post("/chat", &saying("hello")).await;
    assert_problem("one too many", &refused, 429, "");
    assert_eq!(standing(&refused), [Some("10"), Some("0")]);
    for name in ["retry-after", "ratelimit-reset"] {
        assert!((1..=60).contains(&header(&refused, name).unwrap().parse::<u32>().unwrap()), "{name}");
    }
    assert_eq!(written(&world).await.iter().filter(|(sender, ..)| sender == SENDER).count(), 10);
    let limited = Figures::of(&nodes[0]).await.get("rowcast_rate_limited_total", &[("reason", "chat")]);
    assert_eq!(limited, Some(1.0));
    // Nothing else has a limit.
    let all = [nodes[0].get("/message").await, nodes[0].post("/session", &json!({ "sender_id": SENDER })).await];
    assert!(all.iter().all(|answer| answer.status.is_success() && standing(answer) == [None; 2]));
}

#[tokio::test]
async fn a_user_has_a_budget_of_its_own() {
    let world = World::new().await;
    let node = world.node_with(&[&GUARDED[..], &BRISK, &[("RATE_CHAT", "2/1h")]].concat()).await;
    for user in [SENDER, "9b2f1a52-7a3e-4f0f-9d4e-3f1f0b6a2c11"] {
        let token = token(&with(claims(&["*"], &["*"]), "sub", user));
        let body = json!({ "user_id": user, "message": "hello" });
        for status in [202, 202, 429] {
            assert_eq!(node.send_as(&token, Method::POST, "/chat", Some(&body)).await.status, status);
        }
    }
}

#[tokio::test]
async fn no_other_name_of_the_call_leads_around_its_budget() {
    let world = World::new().await;
    let node = world.node_with(&[&BRISK[..], &[("RATE_CHAT", "1/1h")]].concat()).await;
    ask(&node, &saying("hello")).await;
    let body = saying("around").to_string();
    let (host, kind) = (raw::address(&node), "Content-Type: application/json");
    for path in [
        "/chat",
        "/chat/",
        "/chat//",
        "//chat",
        "/chat?x=/stream",
        "/chat?stream",
        "/%63hat",
        "/chat%2f",
        "/./chat",
        "/message/../chat",
        "/api/chat",
        "/api/chat/",
        "/api/chat?a=/",
        "/api/%63hat",
        "/api//chat",
        "/api/chat/stream",
        "/api/chat/stream/",
        "/api/chat/stream?x",
        "/api/chat/%73tream",
        "/CHAT",
        "/api/sse",
        "/chat#/stream",
        "/chat;x",
        &format!("http://{host}/chat"),
        &format!("http://{host}/api/chat/stream"),
    ] {
        let head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n{kind}\r\nConnection: close");
        let answer = raw::exchange(&node, format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
        let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
        assert!(["429", "404", "405", "400"].contains(&&*status), "{path}: {answer}");
    }
    for path in ["/chat", "/api/chat", "/api/chat/stream"] {
        assert_problem(path, &node.post(path, &saying("around")).await, 429, "");
    }
    assert_eq!(written(&world).await.iter().filter(|(sender, ..)| sender == SENDER).count(), 1);
}

#[tokio::test]
async fn what_is_not_the_model_asks_redis_for_nothing() {
    let world = World::new().await;
    let link = Link::to(&world.redis_url).await;
    let node = world.node_with(&[("REDIS_URL", link.url()), ("RATE_WITHOUT_REDIS", "closed"), ("LOG", "error")]).await;
    ask(&node, &saying("hello")).await;
    link.hush();
    for _ in 0..20 {
        assert_eq!(node.get("/message").await.status, StatusCode::OK);
    }
    let refused = node.post("/chat", &saying("hello")).await;
    assert_problem("a call that cannot be counted", &refused, 503, "");
}
