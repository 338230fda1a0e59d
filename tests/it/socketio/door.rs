//! Who may come in, and what it may do then.

use serde_json::{Value, json};

use crate::support::{
    SENDER,
    socket::{PATH, Polling, Socket},
    tokens::{claims, guarded, in_seconds, token, token_for, with},
};

fn status(refused: Result<Socket, Value>) -> (u64, String) {
    let refused = refused.err().expect("it is refused");
    assert_eq!(refused["message"], refused["data"]["detail"], "{refused}");
    (refused["data"]["status"].as_u64().unwrap(), refused["message"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_token_comes_with_the_first_packet_or_with_the_handshake() {
    let (_world, node) = guarded(&[("JWT_COOKIE", "t")]).await;
    let mine = token_for(&["a"], &["a"]);
    let (bearer, cookie) = (format!("Bearer {mine}"), format!("t={mine}"));
    Socket::connect(&node, json!({ "token": mine })).await;
    Socket::try_connect(&node, json!({}), &[("authorization", &bearer)]).await.unwrap();
    Socket::try_connect(&node, json!({}), &[("cookie", &cookie)]).await.unwrap();
    Socket::try_connect(&node, json!({}), &[("cookie", &cookie), ("origin", &node.url)]).await.unwrap();
    // A websocket is not held back by CORS: a page of another site has no use of the cookie.
    let foreign = [("cookie", cookie.as_str()), ("origin", "https://evil.example")];
    assert_eq!(status(Socket::try_connect(&node, json!({}), &foreign).await).0, 403);
    Socket::try_connect(&node, json!({ "token": mine }), &foreign).await.unwrap();
    assert_eq!(status(Socket::try_connect(&node, json!({}), &[]).await).0, 401);
    let wrong = json!({ "token": format!("{mine}x") });
    assert_eq!(status(Socket::try_connect(&node, wrong, &[]).await).0, 401);
    let expired = token(&with(claims(&["a"], &["a"]), "exp", in_seconds(-60)));
    assert!(status(Socket::try_connect(&node, json!({ "token": expired }), &[]).await).1.contains("expired"));
    let other = json!({ "token": token_for(&["b"], &[]) });
    assert_eq!(status(Socket::try_connect(&node, other, &[("authorization", &bearer)]).await).0, 401);
    assert_eq!(status(Socket::try_connect(&node, json!({ "token": 7 }), &[]).await).0, 422);
}

#[tokio::test]
async fn a_token_gives_its_rooms_and_its_own_name_and_no_more() {
    let (_world, node) = guarded(&[]).await;
    let mut socket = Socket::connect(&node, json!({ "token": token_for(&["a"], &["b"]) })).await;
    let mut ask = async |event: &str, body: Value| {
        let answer = socket.ask(event, body).await;
        answer["error"]["status"].as_u64().unwrap_or(200)
    };
    assert_eq!(ask("joinRoom", json!({ "roomId": "a" })).await, 200);
    assert_eq!(ask("joinRoom", json!({ "roomId": "b" })).await, 403);
    assert_eq!(ask("sendMessage", json!({ "roomId": "b", "content": "x" })).await, 200);
    assert_eq!(ask("sendMessage", json!({ "roomId": "b", "content": "x", "userId": SENDER })).await, 200);
    assert_eq!(ask("sendMessage", json!({ "roomId": "a", "content": "x" })).await, 403);
    let other = "9b2f1a52-7a3e-4f0f-9d4e-3f1f0b6a2c11";
    assert_eq!(ask("sendMessage", json!({ "roomId": "b", "content": "x", "userId": other })).await, 403);
    let robot = token(&with(claims(&["a"], &["b"]), "sub", "robot-7"));
    let mut robot = Socket::connect(&node, json!({ "token": robot })).await;
    let joined = robot.ask("joinRoom", json!({ "roomId": "a" })).await;
    assert_eq!(joined["users"], json!([SENDER, "robot-7"]));
    // As on a stream, nobody is somebody else, and who has no name is there as itself.
    let claims_other = json!({ "token": token_for(&["a"], &["b"]), "userId": other });
    let (code, why) = status(Socket::try_connect(&node, claims_other, &[]).await);
    assert!(code == 403 && why.contains("userId"), "{code} {why}");
    Socket::connect(&node, json!({ "token": token_for(&["a"], &["b"]), "userId": SENDER })).await;
    let nobody = json!({ "token": token(&with(claims(&["a"], &["b"]), "sub", "")) });
    let joined = Socket::connect(&node, nobody).await.ask("joinRoom", json!({ "roomId": "a" })).await;
    let users = joined["users"].as_array().unwrap();
    let own = |user: &&Value| **user != SENDER && **user != "robot-7";
    assert!(users.iter().any(|user| own(&user)) && users.iter().all(|user| user != ""), "{joined}");
    let said = robot.ask("sendMessage", json!({ "roomId": "b", "content": "x" })).await;
    assert_eq!(said["error"]["status"], 403);
}

#[tokio::test]
async fn with_its_token_a_socket_ends_and_is_told_why() {
    let (_world, node) = guarded(&[("SOCKETIO_CONNECT_TIMEOUT", "200ms")]).await;
    let short = token(&with(claims(&["a"], &["a"]), "exp", in_seconds(2)));
    let mut socket = Socket::within(&node, json!({ "token": short }), "a").await;
    let problem = socket.event_of("problem").await;
    assert_eq!((&problem["status"], problem.get("event")), (&json!(401), None), "{problem}");
    assert_eq!(socket.next().await.as_deref(), Some("41"), "it is disconnected");
    // Who does not go, is not kept.
    assert_eq!(socket.ends().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_path_is_in_no_document_and_speaks_as_the_others_do() {
    let (_world, node) = guarded(&[("CORS_ORIGINS", "https://app.example")]).await;
    let url = format!("{}{PATH}&transport=polling", node.url);
    for method in [reqwest::Method::PUT, reqwest::Method::DELETE] {
        let answer = node.http.request(method, &url).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["allow"].to_str().unwrap()), (405, "GET, POST"));
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    let answer = node.http.get(&url).header("origin", "https://app.example").send().await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://app.example");
    assert_eq!(answer.headers()["access-control-allow-credentials"], "true");
    assert!(answer.headers().contains_key("x-request-id"));
    for (query, code) in [("EIO=3&transport=polling", "5"), ("EIO=4&transport=foo", "0"), ("EIO=4", "0"), ("", "5")] {
        let answer = node.get(&format!("/socket.io/?{query}")).await;
        assert_eq!((answer.status.as_u16(), &answer.body["code"]), (400, &json!(code)), "{query}: {}", answer.body);
    }
    let unknown = Polling { node: &node, sid: "AAAAAAAAAAAAAAAAAAAA".to_owned() };
    assert_eq!(unknown.get().await.body["message"], "Session ID unknown");
    let plain = node.get(&format!("{PATH}&transport=websocket")).await;
    assert_eq!((plain.status.as_u16(), &plain.body["type"]), (400, &json!("urn:rowcast:problem:malformed")));
    let metrics = node.get("/metrics").await.body.as_str().unwrap().to_owned();
    assert!(metrics.contains(r#"route="/socket.io/""#), "{metrics}");
    let off = guarded(&[("SOCKETIO_ENABLED", "false")]).await.1;
    assert_eq!(off.get(PATH).await.status, 404);
}
