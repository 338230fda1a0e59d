//! Whatever is sent, the node goes on, and keeps nothing of it.

use futures_util::StreamExt;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::support::{
    Figures, Node, World, message_in,
    raw::exchange,
    socket::{PATH, Polling, Socket, websocket},
    soon,
    tokens::{GUARDED, Issuer, claims, guarded, token_for},
    until,
};

#[tokio::test]
async fn what_is_no_packet_ends_its_sender_and_nobody_else() {
    let world = World::new().await;
    // It is not read from for a while.
    let node = world.node_with(&[("SOCKETIO_PING_TIMEOUT", "10min")]).await;
    let mut other = Socket::within(&node, json!({}), "a").await;
    let wrong = [
        "4",
        "49",
        "4é",
        "42",
        "42{}",
        "42[]",
        "42[1]",
        "42[\"x\"",
        "45[\"x\"]",
        "45x-[\"x\"]",
        "40{",
        "44{}",
        "429999999999999999999999[\"x\"]",
        "41x",
    ];
    for packet in wrong {
        let mut socket = Socket::connect(&node, json!({})).await;
        socket.send(packet).await;
        assert_eq!(socket.ends().await, Vec::<String>::new(), "{packet}");
    }
    let counted = async || {
        Figures::of(&node).await.get("rowcast_sockets_ended_total", &[("reason", "packet")]) == Some(wrong.len() as f64)
    };
    until("they are counted", counted).await;
    // Not even a packet of Engine.IO.
    for packet in ["", "9", "é"] {
        let mut socket = Socket::connect(&node, json!({})).await;
        socket.send(packet).await;
        socket.ends().await;
    }
    assert_eq!(other.ask("leaveRoom", json!({ "roomId": "a" })).await["ok"], true);
}

#[tokio::test]
async fn what_is_of_no_interest_is_passed_over() {
    let (_world, node) = World::with_node().await;
    let mut socket = Socket::open(&node, &[]).await;
    // Another namespace is not there; bytes belong to nothing.
    socket.send("40/admin,{}").await;
    assert_eq!(socket.next().await.unwrap(), r#"44/admin,{"message":"Invalid namespace"}"#);
    socket.send("40").await;
    assert!(socket.next().await.unwrap().starts_with("40{"));
    // After it has left, nothing is asked for: it may have been sent before.
    socket.send("41").await;
    socket.send(r#"421["joinRoom",{"roomId":"a"}]"#).await;
    socket.send("40").await;
    assert!(socket.next().await.unwrap().starts_with("40{"));
    for packet in [r#"42/admin,1["joinRoom",{"roomId":"a"}]"#, "41/admin", "431[]", "461-9[]", "40"] {
        socket.send(packet).await;
    }
    socket.send_binary(vec![7; 100_000]).await;
    assert_eq!(socket.ask("leaveRoom", json!({ "roomId": "a" })).await["ok"], true);
}

#[tokio::test]
async fn bytes_beside_a_request_are_refused_and_not_kept() {
    let (_world, node) = World::with_node().await;
    let mut socket = Socket::connect(&node, json!({})).await;
    let before = node.memory("VmRSS");
    for round in 0..40 {
        socket.send(&format!(r#"4599-{round}["joinRoom",{{"_placeholder":true,"num":0}}]"#)).await;
        socket.send_binary(vec![7; 1 << 20]).await;
        let (number, answer) = socket.answer().await;
        assert_eq!((number, &answer["error"]["errors"][0]["field"]), (round, &json!("body")), "{answer}");
    }
    let after = node.memory("VmRSS");
    assert!(after < before + 16 * 1024, "{before} KiB, {after} KiB");
    let polling = Polling::connect(&node).await;
    polling.post("451-1[\"joinRoom\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQID").await;
    assert!(polling.poll().await.iter().any(|packet| packet.starts_with("431[") && packet.contains("422")));
}

#[tokio::test]
async fn who_does_not_ask_first_to_be_let_in_is_sent_away() {
    let (_world, node) = World::with_node().await;
    let wrong = [r#"42["joinRoom",{"roomId":"a"}]"#, "41", "431[]", r#"42/admin,["x"]"#];
    for packet in wrong {
        let mut socket = Socket::open(&node, &[]).await;
        socket.send(packet).await;
        assert_eq!(socket.ends().await, Vec::<String>::new(), "{packet}");
    }
    assert_eq!(ended(&node, "packet").await, wrong.len() as f64);
    assert_eq!(ended(&node, "timeout").await, 0.0);
}

#[tokio::test]
async fn what_a_client_says_of_itself_is_bounded_and_may_be_as_deep_as_it_likes() {
    let (_world, node) = guarded(&[]).await;
    let deep = format!(r#"{{"token":"x","more":{}{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
    let long = json!({ "token": "x".repeat(1 << 17) }).to_string();
    for (auth, status) in [(deep, 401), (long, 422)] {
        let mut socket = Socket::open(&node, &[]).await;
        socket.send(&format!("40{auth}")).await;
        let refused: Value = serde_json::from_str(&socket.next().await.unwrap()[2..]).unwrap();
        assert_eq!(refused["data"]["status"], status, "{refused}");
    }
}

#[tokio::test]
async fn a_million_packets_in_one_request_hold_up_nobody_and_end_their_sender() {
    let (_world, node) = World::with_node().await;
    let mut other = Socket::connect(&node, json!({})).await;
    for packet in ["4", "42[\"x\"]", "431[]"] {
        let polling = Polling::connect(&node).await;
        let most = (2 << 20) / (packet.len() + 1);
        let flood = vec![packet; most].join("\u{1e}");
        let (answer, ()) = tokio::join!(polling.post(&flood), async {
            other.ask("leaveRoom", json!({ "roomId": "a" })).await;
        });
        assert_eq!(answer.body, "ok");
        // It has had its packets refused, or is gone.
        until("it has an end", async || polling.get().await.status == 400).await;
    }
    other.ask("leaveRoom", json!({ "roomId": "a" })).await;
}

#[tokio::test]
async fn frames_that_are_compressed_or_never_end_end_their_sender() {
    let world = World::new().await;
    // It is not for being slow that they end.
    let patient = [("SOCKETIO_CONNECT_TIMEOUT", "10min"), ("SOCKETIO_PING_TIMEOUT", "10min")];
    let node = world.node_with(&[&patient[..], &[("SOCKETIO_MAX_PAYLOAD", "1KiB")]].concat()).await;
    // Nobody has agreed to the first reserved bit; the others are text without an end, of 125 bytes each.
    let compressed = vec![0xc1, 0x81, 0, 0, 0, 0, b'4'];
    let part = |first: u8| [&[first, 0xfd, 0, 0, 0, 0], &[b'4'; 125][..]].concat();
    let endless = [part(0x01), part(0x00).repeat(9)].concat();
    let offers = [("sec-websocket-extensions", "permessage-deflate")];
    for frames in [compressed, endless] {
        let mut ws = websocket(&node, &format!("{PATH}&transport=websocket"), &offers).await;
        assert!(ws.next().await.unwrap().unwrap().to_text().unwrap().starts_with('0'));
        ws.get_mut().write_all(&frames).await.unwrap();
        soon("it ends", async { while let Some(Ok(_)) = ws.next().await {} }).await;
    }
    until("they are gone", async || Figures::of(&node).await.get("rowcast_sockets", &[]) == Some(0.0)).await;
}

async fn ended(node: &Node, reason: &str) -> f64 {
    Figures::of(node).await.get("rowcast_sockets_ended_total", &[("reason", reason)]).unwrap()
}

#[tokio::test]
async fn who_is_not_let_in_yet_has_little_that_waits() {
    let world = World::new().await;
    // It is asked for the keys, and says nothing: so nobody is let in, or sent away.
    let keys = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks", keys.local_addr().unwrap());
    let node = world.node_with(&[("JWT_JWKS_URL", &url), ("JWT_LEEWAY", "0s"), ("LOG", "error")]).await;
    let mut socket = Socket::open(&node, &[]).await;
    let unknown = Issuer::new(Algorithm::RS256).sign(Some("nobody's"), &claims(&["a"], &["a"]));
    socket.send(&format!("40{}", json!({ "token": unknown }))).await;
    let packet = format!(r#"42["sendMessage",{{"content":"{}"}}]"#, "x".repeat(50_000));
    for _ in 0..3 {
        socket.send(&packet).await;
    }
    assert_eq!(socket.ends().await, Vec::<String>::new());
    assert_eq!(ended(&node, "packet").await, 1.0);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_waited_for_no_longer_than_any_other() {
    let world = World::new().await;
    let node = world.node_with(&[("BODY_TIMEOUT", "200ms")]).await;
    let polling = Polling::connect(&node).await;
    let path = format!("{PATH}&transport=polling&sid={}", polling.sid);
    let said = exchange(&node, format!("POST {path} HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\n42[")).await;
    assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
    assert_eq!(polling.post(r#"421["leaveRoom",{"roomId":"a"}]"#).await.body, "ok", "it goes on");
}

#[tokio::test]
async fn what_ends_a_socket_is_logged_and_no_token_and_no_number_of_a_transport() {
    let world = World::new().await;
    let settings = [("LOG", "rowcast=trace,poem=trace,engineioxide=trace,info"), ("SOCKETIO_BUFFER", "4")];
    let (node, log) = Node::start_logged(&world, &[&GUARDED[..], &settings].concat()).await;
    let good = token_for(&["*"], &["*"]);
    let bad = Socket::try_connect(&node, json!({ "token": format!("{good}bad") }), &[]).await;
    assert!(bad.is_err());
    let polling = Polling::open(&node).await;
    polling.post(&format!("40{}", json!({ "token": good }))).await;
    polling.poll().await;
    polling.post(r#"421["joinRoom",{"roomId":"a"}]"#).await;
    polling.poll().await;
    for number in 0..6 {
        node.say_as(&good, message_in("a", &format!("word {number}"))).await;
    }
    log.line(&["takes less than it is sent"]).await;
    let (said, signature) = (log.text(), good.rsplit('.').next().unwrap());
    for secret in [signature, &polling.sid, "word 1"] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
}
