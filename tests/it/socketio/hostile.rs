//! Whatever is sent, the node goes on, and keeps nothing of it.

use serde_json::json;

use crate::support::{
    Figures, World,
    socket::{Polling, Socket},
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
    // Before it is connected, nothing is asked for; another namespace is not there; bytes belong to nothing.
    socket.send(r#"421["joinRoom",{"roomId":"a"}]"#).await;
    socket.send("40/admin,{}").await;
    assert_eq!(socket.next().await.unwrap(), r#"44/admin,{"message":"Invalid namespace"}"#);
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
