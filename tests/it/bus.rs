//! The bus over Redis: complete and readable for any subscriber, and for a node never more than the fast road. Whatever
//! becomes of Redis, streams stay live and tell each change once.

use std::{cell::Cell, collections::HashMap, time::Duration};

use redis::{AsyncCommands, aio::MultiplexedConnection};
use rowcast::{
    change::{EventId, Published},
    redis::{Publisher, Redis},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    oracle::{assert_told, steady},
    support::{
        CHANNELS, Event, Events, Heard, Lagging, Link, Listener, Node, World, message, until,
        writers::{self, Truth},
    },
};

/// Nodes say what they miss and pass over; here all of it is on purpose.
const QUIET: (&str, &str) = ("LOG", "error");

/// Nodes that reach Redis over wires of their own.
struct Wired {
    world: World,
    nodes: [Node; 2],
    links: [Link; 2],
}

impl Wired {
    async fn new() -> Self {
        let world = World::new().await;
        let links = [Link::to(&world.redis_url).await, Link::to(&world.redis_url).await];
        let one = world.node_with(&[QUIET, ("REDIS_URL", links[0].url())]).await;
        until("the first node leads", async || health(&one).await["relay"]["leading"] == true).await;
        let two = world.node_with(&[QUIET, ("REDIS_URL", links[1].url())]).await;
        let wired = Self { world, nodes: [one, two], links };
        wired.until_bus_is(true).await;
        wired
    }

    async fn until_bus_is(&self, up: bool) {
        for node in &self.nodes {
            until("the bus is up or down", async || health(node).await["bus"]["up"] == up).await;
        }
    }

    async fn streams(&self) -> [Events; 2] {
        [self.nodes[0].stream("").await, self.nodes[1].stream("").await]
    }
}

async fn health(node: &Node) -> Value {
    node.get("/health").await.body
}

async fn redis(world: &World) -> MultiplexedConnection {
    redis::Client::open(world.redis_url.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap()
}

/// Redis forgets all that it knows of this world.
async fn empty_redis(world: &World) {
    let gone: u32 = redis(world).await.del(format!("{}feed:position", world.prefix)).await.unwrap();
    assert_eq!(gone, 1);
}

/// Says these, one by one, and each stream tells of each before the next is said.
async fn say_and_see(node: &Node, streams: &mut [Events], contents: [&str; 3]) {
    for content in contents {
        node.say(message(content)).await;
        for stream in &mut *streams {
            let before = position(&stream.last_event_id);
            let event = stream.next().await;
            assert_eq!((event.content().as_str(), event.position()), (content, before + 1));
        }
    }
}

fn position(id: &str) -> i64 {
    id.rsplit_once('-').unwrap().1.parse().unwrap()
}

/// Reads up to the message `last`.
async fn overhear(listener: &mut Listener) -> Vec<Heard> {
    let mut heard = Vec::new();
    loop {
        let message = listener.next().await;
        match message.data()["content"] == "last" {
            true => return heard,
            false => heard.push(message),
        }
    }
}

/// The JSON of the change as it stands in the event.
fn raw(event: &Event) -> &str {
    let (_, rest) = event.text.split_once(",\"data\":").unwrap();
    rest.strip_suffix('}').unwrap()
}

/// Each channel's changes name the one before them: whoever follows one channel can tell that none is missing.
fn assert_chained(heard: &[Heard]) {
    let mut last: HashMap<&str, Value> = HashMap::new();
    for (message, number) in heard.iter().zip(1..) {
        let data = message.data();
        assert_eq!(data["event_id"], format!("1-{number}"), "across the channels, positions are dense");
        let before = last.insert(&message.channel, data["event_id"].clone()).unwrap_or_default();
        assert_eq!(data["prev"], before, "{message:?}");
        let channel = match data["operation"].as_str().unwrap() {
            "INSERT" => CHANNELS[0],
            "UPDATE" => CHANNELS[1],
            _ => CHANNELS[2],
        };
        assert_eq!(message.channel, channel);
        assert!(data.as_object().unwrap().values().all(|value| !value.is_object() && !value.is_array()), "{data}");
    }
}

#[tokio::test]
async fn a_plain_subscriber_of_redis_gets_the_very_changes_of_the_stream_in_an_unbroken_chain() {
    let world = World::new().await;
    let node = world.node_with(&[("TICK_CHANGES", "5")]).await;
    let (mut listener, stream) = (Listener::on(&world, &CHANNELS).await, node.open("", Some("1-0")).await);
    let writing = async {
        let truth = writers::write(&world, writers::seed(), 15).await;
        world.sql("truncate messages").await;
        node.say(message("last")).await;
        truth
    };
    let (_, events) = tokio::join!(writing, steady(stream));
    let heard = overhear(&mut listener).await;
    assert_chained(&heard);
    let published: Vec<&str> = heard.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(events.iter().map(raw).collect::<Vec<_>>(), published);
    // The log renders the same bytes again, for a node that has heard nothing of this.
    let late = world.node().await;
    let replayed = steady(late.open("", Some("1-0")).await).await;
    assert_eq!(replayed.iter().map(raw).collect::<Vec<_>>(), published);
}

#[tokio::test]
async fn a_new_leader_goes_on_where_the_old_one_was_killed() {
    let world = World::new().await;
    let one = world.node().await;
    until("the first node leads", async || health(&one).await["relay"]["leading"] == true).await;
    let two = world.node().await;
    let (mut listener, stream) = (Listener::on(&world, &CHANNELS).await, two.open("", Some("1-0")).await);
    let writing = async {
        let truth: Truth = writers::write(&world, writers::seed(), 30).await;
        two.say(message("last")).await;
        truth
    };
    let killing = async {
        let head = "select first_position + count - 1 from feed.tick order by tick desc limit 1";
        until("the leader is at work", async || world.number(head).await > 50).await;
        one.signal("KILL");
    };
    let (truth, (), events) = tokio::join!(writing, killing, steady(stream));
    assert_told(&events, &truth);
    let heard = overhear(&mut listener).await;
    assert_chained(&heard);
    assert_eq!(heard.len(), events.len());
}

#[tokio::test]
async fn what_was_positioned_and_not_published_is_published_by_the_next_leader() {
    let wired = Wired::new().await;
    let mut listener = Listener::on(&wired.world, &CHANNELS).await;
    let mut streams = wired.streams().await;
    say_and_see(&wired.nodes[0], &mut streams, ["one", "two", "three"]).await;
    // The leader alone loses Redis. It goes on giving positions, and is killed before it can publish them.
    wired.links[0].cut();
    until("it is noticed", async || health(&wired.nodes[0]).await["bus"]["up"] == false).await;
    say_and_see(&wired.nodes[0], &mut streams[..1], ["four", "five", "six"]).await;
    wired.nodes[0].signal("KILL");
    say_and_see(&wired.nodes[1], &mut [], ["seven", "eight", "last"]).await;
    let contents = streams[1].take(6).await;
    assert_eq!(
        contents.iter().map(Event::content).collect::<Vec<_>>(),
        ["four", "five", "six", "seven", "eight", "last"]
    );
    let heard = overhear(&mut listener).await;
    assert_chained(&heard);
    assert_eq!(heard.len(), 8);
}

#[tokio::test]
async fn what_redis_has_published_it_does_not_publish_again_whoever_sends_it() {
    let (world, node) = World::with_node().await;
    let (mut listener, mut stream) = (Listener::on(&world, &CHANNELS).await, node.stream("").await);
    say_and_see(&node, std::slice::from_mut(&mut stream), ["one", "two", "three"]).await;
    let sent: Vec<Published> =
        listener.take(3).await.into_iter().map(|heard| Published::parse(heard.text).unwrap()).collect();
    // A leader that was stopped for long, and does not know yet that another one has gone on without it.
    let mut stale = Publisher::new(Redis::new(&world.redis_url, &world.prefix).unwrap());
    let head = Some(EventId::new(1, 3));
    for after in 0..3 {
        let published = stale.publish(EventId::new(1, after), &sent[after as usize..], false).await.unwrap();
        assert_eq!(published, head);
    }
    let (early, late) = (EventId::new(0, 3), EventId::new(1, 7));
    assert_eq!(stale.publish(early, &sent, false).await.unwrap(), head, "of an earlier generation");
    assert_eq!(stale.publish(late, &sent, false).await.unwrap(), head, "with a hole before it");
    node.say(message("four")).await;
    assert_eq!(listener.next().await.data()["content"], "four");
}

#[tokio::test]
async fn a_node_that_missed_changes_reads_them_from_the_log_when_a_later_one_comes() {
    let (world, node) = World::with_node().await;
    let (mut listener, mut live) = (Listener::on(&world, &CHANNELS).await, node.stream("").await);
    node.say(message("zero")).await;
    live.next().await;
    let mut deaf = Lagging::start(&world, "1-1").await;
    let mut stream = deaf.node.stream("").await;
    say_and_see(&node, std::slice::from_mut(&mut live), ["lost", "lost too", "heard"]).await;
    let heard = listener.take(4).await.remove(3);
    deaf.tell(&heard.channel, &heard.text).await;
    let events = stream.take(3).await;
    assert_eq!(events.iter().map(Event::content).collect::<Vec<_>>(), ["lost", "lost too", "heard"]);
    assert_eq!(raw(&events[2]), heard.text);
}

#[tokio::test]
async fn what_others_publish_on_the_channels_breaks_no_stream() {
    let world = World::new().await;
    let node = world.node_with(&[QUIET]).await;
    let mut streams = [node.stream("").await, node.stream("?room=lobby").await];
    node.say(message("one")).await;
    for stream in &mut streams {
        stream.next().await;
    }
    let mut redis = redis(&world).await;
    let forged = |id: &str| json!({ "operation": "INSERT", "event_id": id, "room": "lobby", "content": "forged" });
    let mut junk: Vec<Vec<u8>> =
        ["", "no JSON", "{}", "[]", "null", "{\"operation\":\"INSERT\"}"].map(Into::into).into();
    junk.push(b"\xff\xfe\r\n\r\ndata: {}\r\n\r\n".into());
    for id in ["1-1", "1-999999", "0-2", "9-1", "2147483647-9223372036854775807", "1--1", "x"] {
        junk.push(forged(id).to_string().into());
        junk.push(serde_json::to_vec_pretty(&forged(id)).unwrap());
        junk.push(json!({ "event_id": id }).to_string().into());
    }
    for channel in CHANNELS.iter().chain(&["feed_heartbeat"]) {
        for junk in &junk {
            let _: u32 = redis.publish(format!("{}{channel}", world.prefix), junk).await.unwrap();
        }
        say_and_see(&node, &mut streams, ["two", "three", "four"]).await;
    }
    let health = health(&node).await;
    assert_eq!((&health["hub"]["head"], &health["hub"]["resets"]), (&json!("1-13"), &json!(0)));
}

#[tokio::test]
async fn a_redis_that_was_emptied_costs_no_change() {
    let Wired { world, nodes, links } = &Wired::new().await;
    let mut streams = [nodes[0].stream("").await, nodes[1].stream("").await];
    say_and_see(&nodes[0], &mut streams, ["one", "two", "three"]).await;
    empty_redis(world).await;
    say_and_see(&nodes[0], &mut streams, ["four", "five", "six"]).await;
    // A restart without its data: what the leader could not publish meanwhile, Redis does not know to be missing.
    links.iter().for_each(Link::cut);
    say_and_see(&nodes[0], &mut streams, ["seven", "eight", "nine"]).await;
    empty_redis(world).await;
    links.iter().for_each(Link::mend);
    say_and_see(&nodes[0], &mut streams, ["ten", "eleven", "twelve"]).await;
}

#[tokio::test]
async fn connections_that_break_again_and_again_lose_and_repeat_nothing() {
    let wired = Wired::new().await;
    let (nodes, broken) = (&wired.nodes, Cell::new(false));
    let writing = async {
        let mut said = Vec::new();
        while !broken.get() {
            said.push(said.len().to_string());
            nodes[0].say(message(said.last().unwrap())).await;
        }
        nodes[0].say(message("last")).await;
        said
    };
    let breaking = async {
        for link in [0, 1, 0, 1, 1, 0] {
            wired.links[link].cut();
            until("it is noticed", async || health(&nodes[link]).await["bus"]["up"] == false).await;
            wired.links[link].mend();
            until("it is mended", async || health(&nodes[link]).await["bus"]["up"] == true).await;
        }
        broken.set(true);
    };
    let [one, two] = nodes.each_ref().map(|node| async { steady(node.open("", Some("1-0")).await).await });
    let (said, (), one, two) = tokio::join!(writing, breaking, one, two);
    assert_eq!(one.iter().map(Event::content).collect::<Vec<_>>(), said);
    assert!(one.iter().zip(1..).all(|(event, position)| event.position() == position));
    assert!(one == two, "the nodes tell different events");
}

#[tokio::test]
async fn without_redis_messages_are_taken_and_streams_stay_live() {
    let wired = Wired::new().await;
    let nodes = &wired.nodes;
    let [first, second] = wired.streams().await;
    let mut streams = vec![first, second];
    say_and_see(&nodes[0], &mut streams, ["one", "two", "three"]).await;
    wired.links.iter().for_each(Link::cut);
    wired.until_bus_is(false).await;
    say_and_see(&nodes[1], &mut streams, ["four", "five", "six"]).await;
    // Whoever comes only now is served too.
    let mut resumed = nodes[1].open("", Some("1-5")).await;
    assert_eq!(resumed.next().await.data()["resumed"], true);
    assert_eq!(resumed.next().await.content(), "six");
    streams.extend([resumed, nodes[0].stream("").await]);
    say_and_see(&nodes[0], &mut streams, ["seven", "eight", "nine"]).await;

    wired.links.iter().for_each(Link::mend);
    wired.until_bus_is(true).await;
    say_and_see(&nodes[0], &mut streams, ["ten", "eleven", "twelve"]).await;
    until("Redis has caught up", async || health(&nodes[0]).await["relay"]["published"] == "1-12").await;
}

#[tokio::test]
async fn a_node_that_alone_has_lost_redis_reads_the_log() {
    let wired = Wired::new().await;
    let mut streams = wired.streams().await;
    wired.links[1].cut();
    until("it is noticed", async || health(&wired.nodes[1]).await["bus"]["up"] == false).await;
    say_and_see(&wired.nodes[0], &mut streams, ["one", "two", "three"]).await;
    wired.links[1].mend();
    wired.until_bus_is(true).await;
    say_and_see(&wired.nodes[0], &mut streams, ["four", "five", "six"]).await;
}

#[tokio::test]
async fn a_node_starts_and_leads_while_redis_is_away() {
    let world = World::new().await;
    let link = Link::to(&world.redis_url).await;
    link.cut();
    let node = world.node_with(&[QUIET, ("REDIS_URL", link.url())]).await;
    let mut streams = [node.stream("").await];
    say_and_see(&node, &mut streams, ["one", "two", "three"]).await;
    link.mend();
    until("the bus is up", async || health(&node).await["bus"]["up"] == true).await;
    say_and_see(&node, &mut streams, ["four", "five", "six"]).await;
}

#[tokio::test]
async fn a_redis_that_falls_silent_without_closing_is_noticed() {
    let wired = Wired::new().await;
    let mut streams = wired.streams().await;
    wired.links.iter().for_each(Link::hush);
    let hushed = Instant::now();
    // No connection has ended: only the missing heartbeat tells.
    say_and_see(&wired.nodes[0], &mut streams, ["one", "two", "three"]).await;
    assert!(hushed.elapsed() < Duration::from_secs(3), "two, and one for a busy machine: {:?}", hushed.elapsed());
    wired.until_bus_is(false).await;
    wired.links.iter().for_each(Link::cut);
    wired.links.iter().for_each(Link::mend);
    wired.until_bus_is(true).await;
    say_and_see(&wired.nodes[1], &mut streams, ["four", "five", "six"]).await;
}
