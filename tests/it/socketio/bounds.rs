//! What sockets may take: each bound is kept, told, and counted.

use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::support::{
    Figures, Node, SENDER, World, message_in,
    socket::{PATH, Polling, Socket, websocket},
    soon,
    tokens::{guarded, token_for},
    until,
};

fn mine() -> Value {
    json!({ "userId": SENDER })
}

async fn counted(node: &Node, name: &str, reason: &str) -> f64 {
    let name = format!("rowcast_sockets_{name}_total");
    Figures::of(node).await.get(&name, &[("reason", reason)]).unwrap()
}

/// Waits until so many transports have ended for this reason.
async fn ended(node: &Node, reason: &str, times: f64) {
    until("they are counted", async || counted(node, "ended", reason).await == times).await;
}

async fn sockets(node: &Node) -> f64 {
    Figures::of(node).await.get("rowcast_sockets", &[]).unwrap()
}

#[tokio::test]
async fn there_are_so_many_sockets_and_no_more_connected_or_not() {
    let world = World::new().await;
    let node = world.node_with(&[("SOCKETIO_MAX_SOCKETS", "2")]).await;
    let (one, _two) = (Polling::open(&node).await, Socket::connect(&node, json!({})).await);
    let refused = node.get(&format!("{PATH}&transport=polling")).await;
    assert_eq!((refused.status.as_u16(), &refused.body["type"]), (503, &json!("urn:rowcast:problem:unavailable")));
    assert_eq!(counted(&node, "refused", "node").await, 1.0);
    one.post("1").await;
    until("there is room again", async || sockets(&node).await == 1.0).await;
    Polling::open(&node).await;
}

#[tokio::test]
async fn who_does_not_connect_in_time_is_sent_away() {
    let world = World::new().await;
    let node = world.node_with(&[("SOCKETIO_CONNECT_TIMEOUT", "200ms")]).await;
    let polling = Polling::open(&node).await;
    assert_eq!(Socket::open(&node, &[]).await.ends().await, Vec::<String>::new());
    // To have been connected once is not enough.
    let mut left = Socket::connect(&node, json!({})).await;
    left.send("41").await;
    left.ends().await;
    ended(&node, "timeout", 3.0).await;
    assert_eq!(polling.get().await.status, 400);
    until("nothing is left", async || sockets(&node).await == 0.0).await;
}

#[tokio::test]
async fn who_does_not_answer_a_ping_is_gone() {
    let world = World::new().await;
    let node = world.node_with(&[("SOCKETIO_PING_INTERVAL", "100ms"), ("SOCKETIO_PING_TIMEOUT", "100ms")]).await;
    let mut silent = websocket(&node, &format!("{PATH}&transport=websocket"), &[]).await;
    soon("it ends", async { while let Some(Ok(_)) = silent.next().await {} }).await;
    ended(&node, "client", 1.0).await;
}

#[tokio::test]
async fn what_is_sent_at_once_is_bounded() {
    let world = World::new().await;
    let node = world.node_with(&[("SOCKETIO_MAX_PAYLOAD", "1KiB")]).await;
    let large = format!(r#"42["joinRoom","{}"]"#, "x".repeat(1100));
    let mut socket = Socket::connect(&node, json!({})).await;
    socket.send(&large).await;
    socket.ends().await;
    let polling = Polling::connect(&node).await;
    assert_eq!(polling.post(&large).await.status, 413);
    assert_eq!(polling.post(r#"42["joinRoom","x"]"#).await.body, "ok", "it goes on");
}

#[tokio::test]
async fn requests_that_wait_are_bounded_in_number_and_in_bytes() {
    let world = World::new().await;
    for (settings, length) in [(("SOCKETIO_INBOX", "2"), 1), (("SOCKETIO_INBOX_BYTES", "2KiB"), 900)] {
        let node = world.node_with(&[settings]).await;
        let mut socket = Socket::connect(&node, mine()).await;
        let mut writer = world.session().await;
        sqlx::Executor::execute(&mut writer, "begin; lock table messages in exclusive mode").await.unwrap();
        let body = || json!({ "roomId": "a", "content": "x".repeat(length) });
        // One is worked off, two wait, and one is too many.
        socket.request("sendMessage", body()).await;
        until("the first is worked off", async || {
            world.number("select count(*) from pg_locks where not granted").await > 0
        })
        .await;
        for _ in 0..3 {
            socket.request("sendMessage", body()).await;
        }
        let (number, refused) = socket.answer().await;
        assert_eq!((number, &refused["error"]["status"]), (4, &json!(429)), "{refused}");
        assert_eq!(counted(&node, "refused", "inbox").await, 1.0);
        sqlx::Executor::execute(&mut writer, "commit").await.unwrap();
        for number in 1..=3 {
            let (answered, sent) = socket.answer().await;
            assert_eq!((answered, &sent["ok"]), (number, &json!(true)), "{sent}");
        }
    }
}

#[tokio::test]
async fn who_takes_too_little_is_disconnected_and_never_misses_something_in_between() {
    let world = World::new().await;
    let patient = [("SOCKETIO_PING_TIMEOUT", "10min"), ("WRITE_TIMEOUT", "10min")];
    let node = world.node_with(&[&patient[..], &[("SOCKETIO_BUFFER", "16"), ("SEND_BUFFER", "16KiB")]].concat()).await;
    let mut slow = Socket::within(&node, json!({}), "a").await;
    let polling = Polling::connect(&node).await;
    polling.post(r#"421["joinRoom",{"roomId":"a"}]"#).await;
    assert!(polling.poll().await.iter().any(|packet| packet.starts_with("431[")));
    let mut said = 0;
    while counted(&node, "ended", "buffer").await < 2.0 {
        node.say(message_in("a", &format!("{said} {}", "x".repeat(50_000)))).await;
        said += 1;
        assert!(said < 1000, "all of it cannot be held");
    }
    let told = slow.ends().await;
    let told: Vec<Value> =
        told.iter().filter_map(|packet| serde_json::from_str(packet.strip_prefix("42")?).ok()).collect();
    let messages = told.iter().filter(|event| event[0] == "receiveMessage");
    let mut count = 0;
    for (number, event) in messages.enumerate() {
        assert!(event[1]["content"].as_str().unwrap().starts_with(&format!("{number} ")), "one is missing");
        count = number + 1;
    }
    assert!(count < said, "it has missed some: {count} of {said}");
    assert_eq!(polling.get().await.body["message"], "Session ID unknown");
    // Others notice nothing.
    let mut other = Socket::within(&node, json!({}), "a").await;
    node.say(message_in("a", "after")).await;
    // The last of the others may still be on its way.
    while other.event_of("receiveMessage").await["content"] != "after" {}
}

#[tokio::test]
async fn a_socket_is_in_so_many_rooms() {
    let world = World::new().await;
    let node = world.node_with(&[("MAX_ROOMS", "2")]).await;
    let mut socket = Socket::within(&node, json!({}), "a").await;
    let mut join = async |room: &str, event: &str| {
        let answer = socket.ask(event, json!({ "roomId": room })).await;
        answer["error"]["errors"][0]["field"].as_str().unwrap_or("none").to_owned()
    };
    assert_eq!(join("b", "joinRoom").await, "none");
    assert_eq!(join("c", "joinRoom").await, "roomId");
    assert_eq!(join("a", "joinRoom").await, "none", "it is there already");
    assert_eq!(join("a", "leaveRoom").await, "none");
    assert_eq!(join("c", "joinRoom").await, "none");
}

#[tokio::test]
async fn sockets_count_among_the_streams_of_a_user() {
    let (_world, node) = guarded(&[("MAX_STREAMS_PER_USER", "2")]).await;
    let mine = token_for(&["*"], &[]);
    let _stream = node.stream_as(&mine, "").await;
    let socket = Socket::connect(&node, json!({ "token": mine })).await;
    let refused = Socket::try_connect(&node, json!({ "token": mine }), &[]).await.err().unwrap();
    assert_eq!(refused["data"]["status"], 429, "{refused}");
    drop(socket);
    until("there is a place again", async || Socket::try_connect(&node, json!({ "token": mine }), &[]).await.is_ok())
        .await;
}

#[tokio::test]
async fn sockets_are_held_to_the_rates() {
    let world = World::new().await;
    let rates = [("RATE_STREAM", "2/1h"), ("RATE_READ", "2/1h"), ("RATE_WRITE", "1/1h")];
    let node = world.node_with(&rates).await;
    let mut socket = Socket::connect(&node, mine()).await;
    let mut ask = async |event: &str, body: Value| {
        let answer = socket.ask(event, body).await;
        answer["error"]["status"].as_u64().unwrap_or(200)
    };
    // To leave, or to ask for nothing that there is, costs as much as to join.
    for (event, status) in [("joinRoom", 200), ("leaveRoom", 200), ("joinRoom", 429), ("leaveRoom", 429), ("x", 429)] {
        assert_eq!(ask(event, json!({ "roomId": "a" })).await, status, "{event}");
    }
    for status in [200, 429] {
        assert_eq!(ask("sendMessage", json!({ "roomId": "a", "content": "x" })).await, status);
    }
    // To connect again over the same transport counts like another handshake.
    let mut again = Socket::open(&node, &[]).await;
    again.send(r#"40"x""#).await;
    assert!(again.next().await.unwrap().contains("422"));
    again.send("40").await;
    assert!(again.next().await.unwrap().contains("429"));
    assert_eq!(node.get(&format!("{PATH}&transport=polling")).await.status, 429);
}
