//! What sockets ask for is done in order, and what they are told is what the feed tells.

use serde_json::{Value, json};

use crate::support::{
    SENDER, World, message_in,
    socket::{Polling, Socket},
    soon,
};

fn mine() -> Value {
    json!({ "userId": SENDER })
}

#[tokio::test]
async fn messages_are_written_and_told_in_the_order_in_which_they_came() {
    let (_world, node) = World::with_node().await;
    let mut one = Socket::within(&node, mine(), "a").await;
    let mut other = Socket::within(&node, json!({}), "a").await;
    for number in 0..500 {
        one.request("sendMessage", json!({ "roomId": "a", "content": format!("{number} é🦀") })).await;
    }
    let mut last = 0;
    for number in 0..500 {
        // The request before these was to join.
        let (asked, sent) = one.answer().await;
        let id = sent["id"].as_i64().unwrap_or_else(|| panic!("{sent}"));
        assert!(asked == number + 2 && id > last, "{asked} {id} {last}");
        last = id;
    }
    for socket in [&mut one, &mut other] {
        for number in 0..500 {
            let told = socket.event_of("receiveMessage").await;
            assert_eq!(told["content"], format!("{number} é🦀"));
        }
    }
}

#[tokio::test]
async fn a_socket_is_told_of_every_kind_of_change_in_its_rooms_and_of_no_other() {
    let (world, node) = World::with_node().await;
    let mut socket = Socket::within(&node, mine(), "a").await;
    node.say(message_in("b", "not here")).await;
    let sent = socket.ask("sendMessage", json!({ "roomId": "a", "content": "one", "file": "f.txt" })).await;
    let id = sent["id"].as_i64().unwrap();
    let told = socket.event_of("receiveMessage").await;
    assert_eq!(told["timestamp"], sent["timestamp"]);
    let same =
        json!({ "id": id, "roomId": "a", "userId": SENDER, "content": "one", "file": "f.txt", "sessionId": null });
    for (name, value) in same.as_object().unwrap() {
        assert_eq!(&told[name], value, "{name}");
    }
    let patch = json!({ "content": "two" });
    node.send(reqwest::Method::PATCH, &format!("/message/{id}"), Some(&patch)).await;
    let changed = socket.event_of("updatedMessage").await;
    assert_eq!((&changed["id"], &changed["content"]), (&json!(id), &json!("two")));
    assert!(changed["updatedAt"].is_string() && told.get("updatedAt").is_none());
    node.send(reqwest::Method::DELETE, &format!("/message/{id}"), None).await;
    let gone = socket.event_of("deletedMessage").await;
    let event_id = gone["eventId"].clone();
    assert_eq!(gone, json!({ "roomId": "a", "id": id, "userId": SENDER, "eventId": event_id }));
    world.sql("truncate messages").await;
    assert!(socket.event_of("truncated").await["eventId"].is_string());
    let left = socket.ask("leaveRoom", json!({ "roomId": "a" })).await;
    assert_eq!(left, json!({ "ok": true, "roomId": "a" }));
    node.say(message_in("a", "too late")).await;
    socket.ask("joinRoom", json!({ "roomId": "c" })).await;
    node.say(message_in("c", "here")).await;
    assert_eq!(socket.event_of("receiveMessage").await["content"], "here");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_as_over_http_in_the_clients_words() {
    let (_world, node) = World::with_node().await;
    let mut socket = Socket::connect(&node, json!({})).await;
    let fields = |answer: &Value| {
        assert_eq!((&answer["ok"], &answer["error"]["status"]), (&json!(false), &json!(422)), "{answer}");
        let errors = answer["error"]["errors"].as_array().unwrap().iter();
        errors.map(|error| error["field"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for (event, body, wrong) in [
        ("joinRoom", json!({ "roomId": "a b" }), &["roomId"][..]),
        ("joinRoom", json!({}), &["roomId"]),
        ("joinRoom", json!({ "roomId": 1 }), &["roomId"]),
        ("joinRoom", json!("a"), &["body"]),
        ("leaveRoom", json!({ "roomId": "" }), &["roomId"]),
        ("sendMessage", json!({ "roomId": "a", "content": "x" }), &["userId"]),
        ("sendMessage", json!({ "roomId": "a", "content": "x", "userId": "me" }), &["userId"]),
        ("sendMessage", json!({ "roomId": " ", "content": "", "userId": SENDER }), &["content", "roomId"]),
        ("sendMessage", json!({ "roomId": "a", "content": "x", "userId": SENDER, "more": 1 }), &["more"]),
        (
            "sendMessage",
            json!({ "roomId": "a", "content": "x", "userId": SENDER, "idempotencyKey": "a b" }),
            &["idempotencyKey"],
        ),
    ] {
        let answer = socket.ask(event, body.clone()).await;
        assert_eq!(fields(&answer), wrong, "{event} {body}");
    }
    let unknown = socket.ask("shout", json!({})).await;
    assert_eq!((&unknown["ok"], &unknown["error"]["status"]), (&json!(false), &json!(404)), "{unknown}");
    // Who does not ask for an answer is told all the same.
    socket.send(r#"42["joinRoom",{"roomId":"a b"}]"#).await;
    let problem = socket.event_of("problem").await;
    assert_eq!((&problem["event"], &problem["status"]), (&json!("joinRoom"), &json!(422)));
    // By the name that it has called, as far as that is one.
    for (name, told) in [("shout".to_owned(), "shout".to_owned()), ("é".repeat(100_000), "é".repeat(64))] {
        socket.send(&format!("42{}", json!([name]))).await;
        let problem = socket.event_of("problem").await;
        assert_eq!((&problem["event"], &problem["status"]), (&json!(told), &json!(404)));
    }
}

#[tokio::test]
async fn a_message_that_is_sent_again_under_its_key_is_written_once() {
    let (world, node) = World::with_node().await;
    let mut socket = Socket::connect(&node, mine()).await;
    let body = json!({ "roomId": "a", "content": "once", "idempotencyKey": "k" });
    let (one, two) = (socket.ask("sendMessage", body.clone()).await, socket.ask("sendMessage", body).await);
    assert!(one["ok"] == true && one == two, "{one} {two}");
    assert_eq!(world.number("select count(*) from messages").await, 1);
    let other = socket.ask("sendMessage", json!({ "roomId": "a", "content": "x", "idempotencyKey": "k" })).await;
    assert_eq!(other["error"]["errors"][0]["field"], "idempotencyKey", "{other}");
}

#[tokio::test]
async fn who_polls_has_the_same() {
    let (_world, node) = World::with_node().await;
    let socket = Polling::connect(&node).await;
    let join = r#"421["joinRoom",{"roomId":"a"}]"#;
    let send = format!(r#"422["sendMessage",{{"roomId":"a","content":"x","userId":"{SENDER}"}}]"#);
    // Several packets in one request are as many packets.
    assert_eq!(socket.post(&format!("{join}\u{1e}{send}")).await.body, "ok");
    let mut packets = Vec::new();
    while !["431[", "432[", "42[\"receiveMessage\""]
        .iter()
        .all(|begin| packets.iter().any(|packet: &String| packet.starts_with(begin)))
    {
        packets.extend(socket.poll().await);
    }
    assert!(
        packets.iter().position(|packet| packet.starts_with("431["))
            < packets.iter().position(|packet| packet.starts_with("432["))
    );
}

#[tokio::test]
async fn who_joins_is_told_who_is_there_and_the_others_that_it_came_and_went() {
    let world = World::new().await;
    let settings = [("PRESENCE_GRACE", "0s"), ("PRESENCE_SWEEP", "50ms")];
    let (one, two) = (world.node_with(&settings).await, world.node_with(&settings).await);
    let other = "9b2f1a52-7a3e-4f0f-9d4e-3f1f0b6a2c11";
    let mut first = Socket::connect(&one, mine()).await;
    let joined = first.ask("joinRoom", json!({ "roomId": "a" })).await;
    assert_eq!(joined, json!({ "ok": true, "roomId": "a", "count": 1, "users": [SENDER] }));
    let mut second = Socket::connect(&two, json!({ "userId": other })).await;
    let came = second.ask("joinRoom", json!({ "roomId": "a" })).await;
    assert_eq!((&came["count"], &came["users"]), (&json!(2), &json!([SENDER, other])));
    assert_eq!(first.event().await, ("userJoined".to_owned(), json!({ "roomId": "a", "userId": other, "count": 2 })));
    // A second connection of the same user is no news, and nobody is told of itself.
    let again = Socket::within(&one, json!({ "userId": other }), "a").await;
    second.ask("leaveRoom", json!({ "roomId": "a" })).await;
    drop(again);
    assert_eq!(first.event().await, ("userLeft".to_owned(), json!({ "roomId": "a", "userId": other, "count": 1 })));
    // Whoever has been told of it has been told at the same time as the one who came.
    let third = "5d2f9a60-3c53-4d86-8a55-0f6f2a4c7b21";
    let mut alone = Socket::within(&one, json!({ "userId": third }), "a").await;
    assert_eq!(first.event().await, ("userJoined".to_owned(), json!({ "roomId": "a", "userId": third, "count": 2 })));
    alone.ask("leaveRoom", json!({ "roomId": "a" })).await;
    assert_eq!(alone.told(), []);
}

#[tokio::test]
async fn who_has_said_who_it_is_writes_as_nobody_else() {
    let (_world, node) = World::with_node().await;
    let other = "9b2f1a52-7a3e-4f0f-9d4e-3f1f0b6a2c11";
    let mut socket = Socket::connect(&node, mine()).await;
    let refused = socket.ask("sendMessage", json!({ "roomId": "a", "content": "x", "userId": other })).await;
    assert_eq!(refused["error"]["status"], 403, "{refused}");
    assert!(refused["error"]["detail"].as_str().unwrap().contains("userId"), "{refused}");
    for body in [json!({ "roomId": "a", "content": "x", "userId": SENDER }), json!({ "roomId": "a", "content": "x" })] {
        assert_eq!(socket.ask("sendMessage", body).await["userId"], SENDER);
    }
    // Who has said nothing may be anyone.
    let mut socket = Socket::connect(&node, json!({})).await;
    for user in [other, SENDER] {
        let sent = socket.ask("sendMessage", json!({ "roomId": "a", "content": "x", "userId": user })).await;
        assert_eq!(sent["userId"], user, "{sent}");
    }
}

#[tokio::test]
async fn the_largest_message_fits_both_ways() {
    let world = World::new().await;
    let node = world.node_with(&[("COMPRESS_FROM", "1KiB")]).await;
    let content = "x\n".repeat(1 << 19);
    let mut socket = Socket::within(&node, mine(), "a").await;
    let sent = socket.ask("sendMessage", json!({ "roomId": "a", "content": content })).await;
    assert_eq!(sent["ok"], true, "{sent}");
    let id = sent["id"].as_i64().unwrap();
    assert_eq!(socket.event_of("receiveMessage").await["id"], id);
    let polling = Polling::connect(&node).await;
    let packet = format!("42{}", json!(["sendMessage", { "roomId": "a", "content": content, "userId": SENDER }]));
    assert_eq!(polling.post(&packet).await.body, "ok");
    assert!(socket.event_of("receiveMessage").await["id"].as_i64().unwrap() > id);
}

#[tokio::test]
async fn what_is_polled_may_be_compressed() {
    let world = World::new().await;
    let node = world.node_with(&[("COMPRESS_FROM", "1KiB")]).await;
    let polling = Polling::connect(&node).await;
    polling.post(r#"421["joinRoom",{"roomId":"a"}]"#).await;
    polling.poll().await;
    node.say(message_in("a", &"again and again ".repeat(1000))).await;
    let request = node.http.get(Polling::url(&node, &polling.sid)).header("accept-encoding", "gzip");
    let answer = soon("an answer", request.send()).await.unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    let packed = answer.bytes().await.unwrap();
    assert!(packed.starts_with(&[0x1f, 0x8b]) && packed.len() < 2000, "{} bytes", packed.len());
    node.say(message_in("a", "plain")).await;
    assert!(polling.poll().await[0].contains("plain"), "it goes on");
}
