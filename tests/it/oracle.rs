//! Random writers against one promise: every subscriber sees each committed change once, in the order of its row.

use std::collections::BTreeMap;

use fastrand::Rng;
use sqlx::{Connection, Executor};

use crate::support::{
    Event, Events, Node, World, message, message_in,
    writers::{self, Truth},
};

/// Reads up to the message `last`, which is written when all others are.
pub async fn steady(mut stream: Events) -> Vec<Event> {
    assert_eq!(stream.next().await.kind(), "connected");
    let mut events = Vec::new();
    loop {
        let event = stream.next().await;
        if is_last(&event) {
            return events;
        }
        events.push(event);
    }
}

/// The same, but goes away again and again, and comes back to one node or another.
pub async fn restless(nodes: &[&Node], mut rng: Rng) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let last = events.last().map_or("1-0", |event| &event.id).to_owned();
        let mut stream = rng.choice(nodes).unwrap().open("", Some(&last)).await;
        let connected = stream.next().await;
        assert_eq!((connected.data()["resumed"].as_bool(), connected.id), (Some(true), last));
        for _ in 0..rng.u8(0..60) {
            let event = stream.next().await;
            if is_last(&event) {
                return events;
            }
            events.push(event);
        }
    }
}

fn is_last(event: &Event) -> bool {
    event.kind() == "new_message" && event.content() == "last"
}

/// The positions leave nothing out, and each transaction is told to have done what it did, in its order.
pub fn assert_told(events: &[Event], truth: &Truth) {
    let mut told: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for (event, position) in events.iter().zip(1..) {
        assert_eq!(event.id, format!("1-{position}"));
        let (kind, data) = (event.kind(), &event.data()["data"]);
        let deeds = told.entry(data["transaction"].as_str().unwrap().to_owned()).or_default();
        deeds.push((kind, data["id"].as_i64().unwrap(), event.content()));
    }
    let truth = truth.iter().filter(|(_, deeds)| !deeds.is_empty()).map(|(id, deeds)| {
        let deeds = deeds.iter().map(|(kind, id, content)| ((*kind).to_owned(), *id, content.clone()));
        (id.clone(), deeds.collect())
    });
    assert_eq!(told, truth.collect());
}

/// The table that the events make. A row's number goes up by one with each of its changes, from its insertion on.
fn table_of(events: &[Event]) -> BTreeMap<i64, String> {
    let mut table = BTreeMap::new();
    for event in events {
        let (id, content) = (event.data()["data"]["id"].as_i64().unwrap(), event.content());
        let before = table.remove(&id).map(|before: String| before.parse::<i64>().unwrap());
        let expected = match (event.kind().as_str(), before) {
            ("new_message", None) => 0,
            ("updated_message", Some(before)) => before + 1,
            ("deleted_message", Some(before)) => before,
            _ => panic!("no such change is possible where the row is {before:?}: {event:?}"),
        };
        assert_eq!(content, expected.to_string(), "{event:?}");
        if event.kind() != "deleted_message" {
            table.insert(id, content);
        }
    }
    table
}

#[tokio::test]
async fn each_committed_change_of_random_writers_is_told_once_and_in_its_rows_order() {
    let seed = writers::seed();
    // Small slices, a small ring and small pages: streams fall behind, and cross from one to the other.
    let world = World::new().await;
    let one = world.node_with(&[("TICK_CHANGES", "7")]).await;
    let two = world.node_with(&[("TICK_CHANGES", "7"), ("RING_CHANGES", "32"), ("PAGE_CHANGES", "16")]).await;
    let nodes = [&one, &two];
    let writing = async {
        let truth = writers::write(&world, seed, 60).await;
        one.say(message_in("room-0", "last")).await;
        truth
    };
    let (truth, first, second, restless, of_room) = tokio::join!(
        writing,
        async { steady(one.open("", Some("1-0")).await).await },
        async { steady(two.open("", Some("1-0")).await).await },
        restless(&nodes, Rng::with_seed(seed)),
        async { steady(two.open("?room=room-0", Some("1-0")).await).await },
    );

    assert_told(&first, &truth);
    let rows = sqlx::query_as("select id, content from messages where content <> 'last'").fetch_all(&world.pool);
    assert_eq!(table_of(&first), rows.await.unwrap().into_iter().collect());
    assert!(second == first && restless == first, "the subscribers have seen different events");
    let in_room = |event: &&Event| event.data()["data"]["room"] == "room-0";
    assert_eq!(of_room, first.iter().filter(in_room).cloned().collect::<Vec<_>>());
    // A node that begins now has nothing of this but the log.
    let late = world.node().await;
    assert!(steady(late.open("", Some("1-0")).await).await == first, "the log tells what was not sent");
    let overtaken = "select count(*) from feed.tick t
        where t.count > 0 and t.first_id < (select max(last_id) from feed.tick earlier where earlier.tick < t.tick)";
    assert!(world.number(overtaken).await > 0, "none was committed later than younger ones: the test was too tame");
}

/// One row, changed by the name of a content.
const ROW: &str = "insert into messages (content, sender_id) values ('written early', gen_random_uuid())";

#[tokio::test]
async fn a_change_that_is_committed_late_is_told_late_but_told() {
    let (world, node) = World::with_node().await;
    let mut stream = node.stream("").await;
    let mut session = world.session().await;
    let mut late = session.begin().await.unwrap();
    late.execute(ROW).await.unwrap();
    let young = node.say(message("young")).await;
    assert_eq!(stream.next().await.content(), "young");
    late.commit().await.unwrap();
    let event = stream.next().await;
    assert_eq!((event.id.as_str(), event.content().as_str()), ("1-2", "written early"));
    assert!(event.data()["data"]["id"].as_i64().unwrap() < young);
}

#[tokio::test]
async fn two_updates_of_a_row_keep_their_order_whatever_their_transaction_ids() {
    // No node runs yet, so that both updates fall into one tick, where only the order within it tells them apart.
    let world = World::migrated().await;
    world.sql(ROW).await;
    let mut session = world.session().await;
    let mut older = session.begin().await.unwrap();
    older.execute("create table elsewhere ()").await.unwrap();
    world.sql("update messages set content = 'first'").await;
    older.execute("update messages set content = 'second'").await.unwrap();
    older.commit().await.unwrap();

    let node = world.node().await;
    let events = node.open("", Some("1-0")).await.take(4).await;
    let contents: Vec<String> = events[1..].iter().map(Event::content).collect();
    assert_eq!(contents, ["written early", "first", "second"]);
    let transaction = |event: &Event| event.data()["data"]["transaction"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(transaction(&events[2]) > transaction(&events[3]), "the ids are to be the other way round");
    assert_eq!(world.number("select count(*) from feed.tick where count > 0").await, 1);
}

#[tokio::test]
async fn an_open_transaction_holds_up_nobody_wherever_it_is() {
    let (world, node) = World::with_node().await;
    let elsewhere = World::migrated().await;
    let mut stream = node.stream("").await;
    node.say(message("before")).await;
    stream.next().await;
    let (mut here, mut there, mut locking) = (world.session().await, elsewhere.session().await, world.session().await);
    let mut here = here.begin().await.unwrap();
    here.execute(ROW).await.unwrap();
    let mut there = there.begin().await.unwrap();
    there.execute(ROW).await.unwrap();
    let mut locking = locking.begin().await.unwrap();
    locking.execute("select * from messages for update").await.unwrap();
    locking.execute("create temporary table mine ()").await.unwrap();

    for content in ["one", "two", "three"] {
        node.say(message(content)).await;
        assert_eq!(stream.next().await.content(), content);
    }
    there.commit().await.unwrap();
    locking.rollback().await.unwrap();
    here.commit().await.unwrap();
    assert_eq!(stream.next().await.content(), "written early");
}
