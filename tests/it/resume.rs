//! A client that comes back with the last id it has seen goes on right after it: on any node, from memory or the log.

use std::{
    cell::Cell,
    sync::{Arc, RwLock},
};

use rowcast::change::EventId;
use serde_json::json;
use sqlx::{Connection, Executor};

use crate::support::{
    Event, Events, Lagging, Node, World,
    crowd::{Crowd, Manner},
    message, message_in, until,
};

/// Transactions, each with the number of its changes. All but the truncation are in the rooms `a` and `b`.
const HISTORY: [(&str, usize); 5] = [
    (
        "insert into messages (room, content, sender_id)
         select r, r || n, gen_random_uuid() from unnest('{a,b}'::text[]) r, generate_series(1, 2) n",
        4,
    ),
    ("update messages set content = content || '!' where room = 'b'", 2),
    ("delete from messages where room = 'a'", 2),
    ("truncate messages", 1),
    ("insert into messages (room, content, sender_id) values ('a', 'last', gen_random_uuid())", 1),
];

/// Lets the history happen, each transaction in a tick of its own.
async fn live_through_history(world: &World, stream: &mut Events) -> Vec<Event> {
    let mut events = Vec::new();
    for (transaction, changes) in HISTORY {
        world.sql(transaction).await;
        events.extend(stream.take(changes).await);
    }
    assert_eq!(world.number("select count(*) from feed.tick where count > 0").await, HISTORY.len() as i64);
    events
}

/// A stream that resumed at a position, and what it is to tell.
struct Resumed {
    stream: Events,
    expected: Vec<Event>,
}

/// Comes back at every position, with every filter, and both ways to say where.
async fn resume_everywhere(node: &Node, events: &[Event]) -> Vec<Resumed> {
    let mut resumed = Vec::new();
    for (position, filter) in (0..=events.len()).flat_map(|at| ["", "a", "b", "quiet"].map(|room| (at, room))) {
        let expected: Vec<Event> = events[position..].iter().filter(|event| concerns(event, filter)).cloned().collect();
        let id = format!("1-{position}");
        let room = if filter.is_empty() { String::new() } else { format!("room={filter}") };
        for mut stream in [
            node.open(&format!("?{room}"), Some(&id)).await,
            node.open(&format!("?last_event_id={id}&{room}"), None).await,
        ] {
            let connected = stream.next().await;
            assert_eq!((connected.kind().as_str(), &connected.id), ("connected", &id));
            assert_eq!((&connected.data()["resumed"], &connected.data()["event_id"]), (&json!(true), &json!(id)));
            resumed.push(Resumed { stream, expected: expected.clone() });
        }
    }
    resumed
}

fn concerns(event: &Event, room: &str) -> bool {
    room.is_empty() || event.kind() == "truncated" || event.data()["data"]["room"] == room
}

#[tokio::test]
async fn a_client_goes_on_right_after_any_position_in_ring_and_log() {
    let (world, ring) = World::with_node().await;
    let both = world.node_with(&[("RING_CHANGES", "4"), ("PAGE_CHANGES", "3")]).await;
    let mut live = [ring.stream("").await, both.stream("").await];
    let events = live_through_history(&world, &mut live[0]).await;
    assert_eq!(live[1].take(events.len()).await, events);
    let log = world.node_with(&[("PAGE_CHANGES", "3")]).await;

    let mut resumed = Vec::new();
    for (node, in_ring) in [(&ring, 10), (&both, 4), (&log, 0)] {
        assert_eq!(node.get("/health").await.body["hub"]["ring_changes"], in_ring);
        resumed.extend(resume_everywhere(node, &events).await);
    }
    for Resumed { stream, expected } in &mut resumed {
        assert_eq!(&stream.take(expected.len()).await, expected);
    }
    // The next that everyone hears is this: none was told anything twice or beside.
    world.sql("truncate messages").await;
    for Resumed { stream, .. } in &mut resumed {
        assert_eq!(stream.next().await.id, "1-11");
    }
}

#[tokio::test]
async fn what_the_browser_says_wins_over_what_the_page_once_said() {
    let (world, node) = World::with_node().await;
    let mut live = node.stream("").await;
    let events = live_through_history(&world, &mut live).await;
    let mut stream = node.open("?last_event_id=1-2", Some("1-7")).await;
    assert_eq!(stream.next().await.id, "1-7");
    assert_eq!(stream.take(3).await, events[7..]);
    // An empty header is what a browser sends that has seen no event.
    let mut stream = node.open("?last_event_id=1-2", Some("")).await;
    assert_eq!(stream.next().await.id, "1-2");
    assert_eq!(stream.take(8).await, events[2..]);
}

#[tokio::test]
async fn whoever_comes_in_the_middle_of_a_burst_sees_all_that_comes_after_once() {
    let (world, one) = World::with_node().await;
    let two = world.node_with(&[("RING_CHANGES", "8"), ("PAGE_CHANGES", "4")]).await;
    let attached = Cell::new(false);
    let burst = async {
        for number in 0.. {
            let room = if number % 3 == 0 { "a" } else { "b" };
            one.say(message_in(room, &number.to_string())).await;
            if attached.get() {
                return one.say(message_in("a", "last")).await;
            }
        }
        unreachable!("numbers do not end")
    };
    let readers = async {
        let mut readers = vec![(&one, "", one.stream("").await, 0, Vec::new())];
        for (node, room) in (0..6).flat_map(|_| [(&one, ""), (&two, ""), (&one, "a"), (&two, "a")]) {
            let query = if room.is_empty() { String::new() } else { format!("?room={room}") };
            let mut stream = node.open(&query, None).await;
            let begun = stream.next().await.position();
            // The burst has gone on since, so that each comes at another moment of it.
            let first = stream.next().await;
            readers.push((node, room, stream, begun as usize, vec![first]));
        }
        attached.set(true);
        for (_, _, stream, _, seen) in &mut readers {
            while seen.last().is_none_or(|event: &Event| event.content() != "last") {
                seen.push(stream.next().await);
            }
        }
        readers
    };
    let (_, readers) = tokio::join!(burst, readers);
    let all = &readers[0].4;
    assert!(all.iter().zip(1..).all(|(event, position)| event.position() == position));
    for (_, room, _, begun, seen) in &readers[1..] {
        let expected: Vec<&Event> = all[*begun..].iter().filter(|event| concerns(event, room)).collect();
        assert_eq!(seen.iter().collect::<Vec<_>>(), expected, "from {begun} on in room {room:?}");
    }
}

#[tokio::test]
async fn a_position_that_was_never_given_out_is_reset_and_not_guessed() {
    let (_world, node) = World::with_node().await;
    let mut live = node.stream("").await;
    node.say(message("one")).await;
    live.next().await;
    let mut streams = Vec::new();
    for id in ["1-2", "1-999999", "2-0", "2-1", "0-0", "2147483647-9223372036854775807"] {
        let mut stream = node.open("", Some(id)).await;
        let (connected, reset) = (stream.next().await, stream.next().await);
        assert_eq!(
            (&connected.data()["resumed"], &connected.data()["event_id"]),
            (&json!(false), &json!("1-1")),
            "{id}"
        );
        // Who is cut off here keeps its own position, and so is told of the reset when it comes back.
        assert_eq!(connected.id, "", "{id}");
        let told = json!({ "type": "reset", "reason": "generation", "head": "1-1", "reread": "/message" });
        assert_eq!((reset.data(), reset.id.as_str()), (told, "1-1"), "{id}");
        streams.push(stream);
    }
    let health = node.get("/health").await.body;
    assert_eq!((&health["hub"]["resets"], &health["hub"]["resumed"]), (&json!(6), &json!(0)));
    node.say(message("two")).await;
    for stream in &mut streams {
        let event = stream.next().await;
        assert_eq!((event.id.as_str(), event.content().as_str()), ("1-2", "two"));
    }
}

#[tokio::test]
async fn a_node_that_lags_behind_does_not_reset_who_comes_from_a_faster_one() {
    let (world, fast) = World::with_node().await;
    let mut live = fast.stream("").await;
    fast.say(message("one")).await;
    live.next().await;
    let lagging = Lagging::start(&world, "1-1").await;
    for content in ["two", "three"] {
        fast.say(message(content)).await;
        live.next().await;
    }
    let mut stream = lagging.node.open("", Some("1-2")).await;
    let connected = stream.next().await;
    assert_eq!((&connected.data()["resumed"], connected.id.as_str()), (&json!(true), "1-2"));
    assert_eq!(lagging.node.get("/health").await.body["hub"]["head"], "1-1", "it was to lag");
    lagging.tell_head("1-3");
    let event = stream.next().await;
    assert_eq!((event.id.as_str(), event.content().as_str()), ("1-3", "three"));
}

#[tokio::test]
async fn who_locks_the_table_holds_up_no_reader_of_the_log() {
    let world = World::new().await;
    let node = world.node_with(&[("RING_CHANGES", "1")]).await;
    for number in 0..3 {
        node.say(message(&number.to_string())).await;
    }
    let mut session = world.session().await;
    let mut locking = session.begin().await.unwrap();
    locking.execute("truncate messages").await.unwrap();
    let mut back = node.open("", Some("1-0")).await;
    let events = back.take(4).await;
    assert_eq!(events[1..].iter().map(Event::content).collect::<Vec<_>>(), ["0", "1", "2"]);
    locking.commit().await.unwrap();
    assert_eq!(back.next().await.kind(), "truncated");
}

/// It is the crowd of the faults, which goes on as clients do: by the last id, and none without one.
#[tokio::test]
async fn a_crowd_that_comes_back_from_another_life_is_told_so_once() {
    let (_world, node) = World::with_node().await;
    let address = node.url.trim_start_matches("http://").to_owned();
    let manner = Manner { from: Some(EventId::new(2, 7)), ..Manner::default() };
    let crowd = Crowd::gather(3, &manner, &Arc::new(RwLock::new(vec![address])), &Arc::default(), 1).await;
    let told = Some(EventId::new(1, 0));
    until("all are told", async || crowd.all(|seen| seen.resets == 1 && seen.at == told && seen.wrong.is_empty()))
        .await;
}
