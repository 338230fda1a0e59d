//! How sockets end: with their place, with the node, with the feed.

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    Figures, Link, SENDER, World, message_in,
    raw::{LIVE, ask, read_until},
    socket::{PATH, Polling, Socket, websocket},
    soon, until,
};

#[tokio::test]
async fn a_websocket_keeps_its_place_among_the_connections_and_gives_it_back() {
    let world = World::new().await;
    let node = world.node_with(&[("MAX_CONNECTIONS", "2")]).await;
    let one = Socket::connect(&node, json!({})).await;
    let mut two = Socket::connect(&node, json!({})).await;
    // It is out of HTTP by now.
    two.ask("joinRoom", json!({ "roomId": "a" })).await;
    read_until(&mut ask(&node, LIVE).await, "503 Service Unavailable").await;
    drop(one);
    until("there is a place again", async || {
        let answer = ask(&node, LIVE.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await;
        crate::support::raw::to_end(answer).await.0.contains("200 OK")
    })
    .await;
    two.ask("leaveRoom", json!({ "roomId": "a" })).await;
}

#[tokio::test]
async fn a_node_that_goes_away_ends_all_sockets_in_time_and_without_a_word() {
    let world = World::new().await;
    let mut node = world.node_with(&[("DRAIN", "200ms"), ("SHUTDOWN_GRACE", "20s")]).await;
    let mut sockets = Vec::new();
    for _ in 0..20 {
        sockets.push(Socket::within(&node, json!({}), "a").await);
    }
    let idle = Polling::connect(&node).await;
    drop(idle);
    node.signal("TERM");
    for socket in &mut sockets {
        let packets = socket.ends().await;
        // Its client is to come back by itself: it is not told that it is disconnected.
        assert!(packets.iter().all(|packet| !packet.starts_with("41")), "{packets:?}");
    }
    assert!(soon("the node ends", node.process.wait()).await.unwrap().success());
}

#[tokio::test]
async fn who_would_miss_changes_is_sent_away() {
    let (world, node) = World::with_node().await;
    let mut socket = Socket::within(&node, json!({}), "a").await;
    // The database is made to believe that it was promoted, and whoever leads, to begin anew.
    world
        .sql(
            "update feed.generation set timeline = 99;
             select pg_terminate_backend(leader_pid) from feed.state",
        )
        .await;
    let packets = socket.ends().await;
    assert!(packets.iter().all(|packet| !packet.starts_with("41")), "{packets:?}");
    let figures = Figures::of(&node).await;
    assert_eq!(figures.get("rowcast_sockets_ended_total", &[("reason", "feed")]), Some(1.0));
    // What comes then is told to those who come then.
    let mut again = Socket::within(&node, json!({}), "a").await;
    node.say(message_in("a", "anew")).await;
    assert_eq!(again.event_of("receiveMessage").await["content"], "anew");
}

#[tokio::test]
async fn a_session_goes_on_over_the_websocket_that_it_was_upgraded_to() {
    let (_world, node) = World::with_node().await;
    let polling = Polling::connect(&node).await;
    polling.post(r#"421["joinRoom",{"roomId":"a"}]"#).await;
    polling.poll().await;
    let path = format!("{PATH}&transport=websocket&sid={}", polling.sid);
    let mut ws = websocket(&node, &path, &[]).await;
    ws.send(Message::text("2probe")).await.unwrap();
    assert_eq!(soon("an answer", ws.next()).await.unwrap().unwrap().to_text().unwrap(), "3probe");
    // What is told in between is not lost.
    node.say(message_in("a", "between")).await;
    ws.send(Message::text("5")).await.unwrap();
    soon("the message", async { while !ws.next().await.unwrap().unwrap().to_text().unwrap().contains("between") {} })
        .await;
    // It has its websocket.
    let second = node.get(&path).await;
    assert_eq!(second.status, 400);
}

#[tokio::test]
async fn an_upgrade_that_is_given_up_halfway_leaves_nothing() {
    let (_world, node) = World::with_node().await;
    let polling = Polling::connect(&node).await;
    let mut ws = websocket(&node, &format!("{PATH}&transport=websocket&sid={}", polling.sid), &[]).await;
    ws.send(Message::text("2probe")).await.unwrap();
    soon("an answer", ws.next()).await.unwrap().unwrap();
    drop(ws);
    let gone = async || Figures::of(&node).await.get("rowcast_sockets", &[]) == Some(0.0);
    until("the session is gone", gone).await;
}

#[tokio::test]
async fn a_websocket_that_would_lose_what_waits_to_be_polled_is_refused_until_it_would_not() {
    let world = World::new().await;
    let node = world.node_with(&[("SOCKETIO_MAX_PAYLOAD", "50000")]).await;
    let polling = Polling::connect(&node).await;
    polling.post(r#"421["joinRoom",{"roomId":"a"}]"#).await;
    polling.poll().await;
    let told = async || Figures::of(&node).await.get("rowcast_socket_deliveries_total", &[]);
    for number in 1..=4 {
        node.say(message_in("a", &format!("{number} {}", "x".repeat(30_000)))).await;
    }
    until("all are told", async || told().await == Some(4.0)).await;
    let path = format!("{PATH}&transport=websocket&sid={}", polling.sid);
    for number in 1..=4 {
        let packets = polling.poll().await;
        assert!(packets.len() == 1 && packets[0].contains(&format!("\"{number} xxx")), "{number}");
        if number < 4 {
            read_until(&mut ask(&node, upgrade(&path)).await, "400 Bad Request").await;
        }
    }
    let mut ws = websocket(&node, &path, &[]).await;
    ws.send(Message::text("2probe")).await.unwrap();
    assert_eq!(soon("an answer", ws.next()).await.unwrap().unwrap().to_text().unwrap(), "3probe");
    // Another can only disturb it.
    read_until(&mut ask(&node, upgrade(&path)).await, "400 Bad Request").await;
    ws.send(Message::text("5")).await.unwrap();
    node.say(message_in("a", "5")).await;
    let next = soon("the message", async {
        loop {
            let packet = ws.next().await.unwrap().unwrap().to_text().unwrap().to_owned();
            if packet.starts_with("42") {
                return packet;
            }
        }
    });
    assert!(next.await.contains(r#""content":"5""#));
}

fn upgrade(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
}

#[tokio::test]
async fn while_redis_is_away_a_socket_is_in_its_room_and_is_told_later_who_is_there() {
    let world = World::new().await;
    let link = Link::to(&world.redis_url).await;
    let quick = [("PRESENCE_GRACE", "1s"), ("PRESENCE_TTL", "3s"), ("PRESENCE_SWEEP", "100ms")];
    let node = world.node_with(&[&quick[..], &[("REDIS_URL", link.url()), ("LOG", "error")]].concat()).await;
    let mut socket = Socket::connect(&node, json!({ "userId": SENDER })).await;
    link.cut();
    let joined = socket.ask("joinRoom", json!({ "roomId": "a" })).await;
    assert_eq!(joined, json!({ "ok": true, "roomId": "a", "count": null, "users": null }));
    node.say(message_in("a", "without Redis")).await;
    assert_eq!(socket.event_of("receiveMessage").await["content"], "without Redis");
    link.mend();
    // Perhaps at first without itself, which it is not told of.
    let state = socket.event_of("roomState").await;
    assert!(state["roomId"] == "a" && state["count"].as_u64().unwrap() <= 1, "{state}");
}
