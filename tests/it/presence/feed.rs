//! The feed beside presence: it keeps its order and its ids, and goes on where the client left it.

use super::{QUICK, Reader, being, quick, user, watching};
use crate::support::{
    Event, World, message_in,
    raw::{ask, read_until},
    soon,
    tokens::{GUARDED, claims, token, with},
    until,
};

#[tokio::test]
async fn a_stream_says_that_it_is_connected_and_then_who_is_there_without_an_id() {
    let (_world, node) = quick().await;
    let query = watching(&["a"]);
    let mut socket = ask(&node, format!("GET /stream{query} HTTP/1.1\r\nHost: here\r\n\r\n")).await;
    let text = read_until(&mut socket, "\"users\":[]}}\n\n").await;
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    let events: Vec<&str> = body.split_inclusive("\n\n").collect();
    assert!(events[0].starts_with("retry: ") && events[1].contains("\"connected\""), "{body}");
    assert_eq!(events[2], "data: {\"type\":\"presence\",\"data\":{\"room\":\"a\",\"count\":0,\"users\":[]}}\n\n");
    let _one = node.stream(&being(1, &["a"])).await;
    let joined = read_until(&mut socket, "\n\n").await;
    let data = format!("{{\"room\":\"a\",\"user_id\":\"{}\",\"count\":1}}", user(1));
    assert_eq!(joined, format!("data: {{\"type\":\"user_joined\",\"data\":{data}}}\n\n"));
}

#[tokio::test]
async fn changes_keep_their_order_and_ids_and_presence_moves_none() {
    let (_world, node) = quick().await;
    let mut reader = Reader::open(&node, &watching(&["a"])).await;
    let mut plain = node.stream("?room=a").await;
    let mut streams = Vec::new();
    for number in 1..=20 {
        streams.push(node.stream(&being(number, &["a"])).await);
        node.say(message_in("a", &number.to_string())).await;
        node.say(message_in("b", "elsewhere")).await;
    }
    let (mut changes, mut last) = (Vec::new(), "1-0".to_owned());
    soon("all of both", async {
        while changes.len() < 20 || reader.rooms.get("a").is_none_or(|there| there.len() < 20) {
            let event: Event = reader.stream.next().await;
            if event.kind() == "new_message" {
                last = event.id.clone();
                changes.push(event);
            } else {
                assert_eq!(event.id, last, "an event of presence has no id");
                reader.take(&event);
            }
        }
    })
    .await;
    assert_eq!(changes, plain.take(20).await, "the same as without presence");
}

#[tokio::test]
async fn who_comes_back_with_its_last_id_misses_nothing_and_is_told_anew_who_is_there() {
    let (_world, node) = quick().await;
    let mut reader = Reader::open(&node, &being(1, &["a"])).await;
    reader.until("a", &[1]).await;
    node.say(message_in("a", "one")).await;
    assert_eq!(reader.stream.next().await.content(), "one");
    let _other = node.stream(&being(2, &["a"])).await;
    reader.until("a", &[1, 2]).await;
    let last = reader.stream.last_event_id.clone();
    assert_eq!(last, "1-1");
    drop(reader);
    let mut plain = node.stream("?room=a").await;
    node.say(message_in("a", "two")).await;
    assert_eq!(plain.next().await.content(), "two");
    let mut stream = node.open(&being(1, &["a"]), Some(&last)).await;
    assert_eq!(stream.next().await.data()["resumed"], true);
    assert_eq!(stream.next().await.content(), "two", "the feed comes first");
    let mut reader = Reader::of(stream);
    assert_eq!(reader.until("a", &[1, 2]).await.len(), 1);
}

#[tokio::test]
async fn whatever_a_user_is_called_an_event_is_one_line_of_json() {
    let world = World::new().await;
    let node = world.node_with(&[&QUICK[..], &GUARDED].concat()).await;
    let watcher = token(&with(claims(&["a"], &[]), "sub", ()));
    let mut stream = node.stream_as(&watcher, &watching(&["a"])).await;
    assert_eq!(stream.next().await.data()["data"]["count"], 0);
    let long = "n".repeat(1000);
    let names = ["\"}}\n\nid: 9-9\ndata: {}\r\n", "\u{2028}\u{2029}\u{1f980} \0", "a b", "\\", "*", " ", "(", &long];
    for name in names {
        let token = token(&with(claims(&["a"], &[]), "sub", name));
        let own = node.stream_as(&token, &watching(&["a"])).await;
        let joined = stream.next().await.data();
        assert_eq!((&joined["type"], &joined["data"]["user_id"]), (&"user_joined".into(), &name.into()));
        let page = node.get_as(&watcher, "/room/a/presence").await.body;
        assert_eq!((&page["users"][0]["user_id"], &page["count"]), (&name.into(), &1.into()), "{page}");
        drop(own);
        let left = stream.next().await.data();
        assert_eq!((&left["type"], &left["data"]["user_id"]), (&"user_left".into(), &name.into()));
    }
    assert_eq!(stream.last_event_id, "1-0");
}

#[tokio::test]
async fn a_silent_stream_is_kept_alive_and_moved_on_beside_presence() {
    let world = World::new().await;
    let node = world.node_with(&[&QUICK[..], &[("KEEP_ALIVE", "50ms")]].concat()).await;
    let mut reader = Reader::open(&node, &being(1, &["a"])).await;
    reader.until("a", &[1]).await;
    reader.stream.comment().await;
    node.say(message_in("b", "elsewhere")).await;
    until("it is moved on", async || {
        reader.stream.comment().await;
        reader.stream.last_event_id == "1-1"
    })
    .await;
    let _other = node.stream(&being(2, &["a"])).await;
    assert_eq!(reader.next().await, "a +2");
}
