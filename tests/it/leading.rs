//! One node leads, and whatever becomes of it, positions go on: none twice, none left out.

use std::cell::Cell;

use fastrand::Rng;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::{
    oracle::{assert_told, restless, steady},
    support::{Event, Events, Node, World, message, until, writers},
};

/// Patience with a silent leader: more than by default, since a machine that runs all tests may stand still for long.
const SETTINGS: [(&str, &str); 1] = [("RELAY_STALLED", "4s")];

async fn leads(node: &Node) -> bool {
    node.get("/health").await.body["relay"]["leading"] == true
}

/// Two nodes; the first one leads, since it was there first.
async fn two_nodes() -> (World, Node, Node) {
    let world = World::new().await;
    let leader = world.node_with(&SETTINGS).await;
    until("the first node leads", async || leads(&leader).await).await;
    let standby = world.node_with(&SETTINGS).await;
    (world, leader, standby)
}

/// Ends the leader's session, as a lost network or an administrator would.
async fn end_leaders_session(world: &World) {
    world.sql("select pg_terminate_backend(leader_pid) from feed.state").await;
}

/// The positions from 1 on, in the generation.
fn dense(events: &[Event], generation: u32) -> bool {
    let ids = (1..).map(|position| format!("{generation}-{position}"));
    events.iter().zip(ids).all(|(event, id)| event.id == id)
}

async fn say(node: &Node, count: usize) {
    for number in 0..count {
        node.say(message(&number.to_string())).await;
    }
}

async fn saw(stream: &mut Events, count: usize) {
    let events = stream.take(count).await;
    assert!(dense(&events, 1), "{events:?}");
}

#[tokio::test]
async fn exactly_one_of_several_nodes_leads() {
    let (world, leader, standby) = two_nodes().await;
    let third = world.node_with(&SETTINGS).await;
    say(&third, 20).await;
    assert_eq!([leads(&leader).await, leads(&standby).await, leads(&third).await], [true, false, false]);
}

#[tokio::test]
async fn a_killed_leader_is_replaced_and_nothing_is_lost() {
    let (_world, mut leader, standby) = two_nodes().await;
    let mut stream = standby.stream("").await;
    say(&leader, 20).await;
    leader.process.kill().await.unwrap();
    say(&standby, 20).await;
    saw(&mut stream, 40).await;
    assert!(leads(&standby).await);
}

#[tokio::test]
async fn a_leader_that_loses_its_session_again_and_again_gives_no_position_twice() {
    let (world, leader, standby) = two_nodes().await;
    let (mut near, mut far) = (leader.stream("").await, standby.stream("").await);
    for _ in 0..4 {
        say(&standby, 10).await;
        end_leaders_session(&world).await;
        say(&leader, 10).await;
    }
    saw(&mut near, 80).await;
    saw(&mut far, 80).await;
}

#[tokio::test]
async fn random_writers_notice_nothing_of_leaders_that_come_and_go() {
    let (world, one, two) = two_nodes().await;
    let (nodes, seed, written) = ([&one, &two], writers::seed(), Cell::new(false));
    let writing = async {
        let truth = writers::write(&world, seed, 60).await;
        written.set(true);
        two.say(message("last")).await;
        truth
    };
    let ending = async {
        let leader = "select coalesce(leader_pid, 0)::bigint from feed.state";
        let mut ended = 0;
        while !written.get() {
            let pid = world.number(leader).await;
            end_leaders_session(&world).await;
            ended += 1;
            until("another session leads", async || written.get() || world.number(leader).await != pid).await;
        }
        ended
    };
    let [first, second] = nodes.map(|node| async { steady(node.open("", Some("1-0")).await).await });
    let (truth, ended, first, second, restless) =
        tokio::join!(writing, ending, first, second, restless(&nodes, Rng::with_seed(seed)));
    assert!(ended > 0, "no leader was ended");
    assert_told(&first, &truth);
    assert!(second == first && restless == first, "the subscribers have seen different events");
}

#[tokio::test]
async fn a_leader_whose_bell_is_torn_away_hears_again() {
    let (world, node) = World::with_node().await;
    let mut stream = node.stream("").await;
    let listening = "select coalesce(max(pid), 0)::bigint from pg_stat_activity
        where datname = current_database() and query ilike 'listen%feed_wake%'";
    until("the leader listens", async || world.number(listening).await > 0).await;
    let before = world.number(listening).await;
    world.sql(&format!("select pg_terminate_backend({before})")).await;
    say(&node, 5).await;
    saw(&mut stream, 5).await;
    until("it listens again", async || ![0, before].contains(&world.number(listening).await)).await;
}

#[tokio::test]
async fn a_stopped_leader_is_replaced_and_does_no_harm_when_it_goes_on() {
    let (world, leader, standby) = two_nodes().await;
    let mut stream = standby.stream("").await;
    say(&standby, 10).await;
    leader.signal("STOP");
    until("the other node leads", async || leads(&standby).await).await;
    say(&standby, 10).await;
    leader.signal("CONT");
    until("the first node knows", async || !leads(&leader).await).await;
    let mut late = leader.open("", Some("1-0")).await;
    assert_eq!(late.next().await.kind(), "connected");
    say(&leader, 10).await;
    saw(&mut stream, 30).await;
    saw(&mut late, 30).await;
    let twice: i64 = sqlx::query_scalar(
        "select count(*) from feed.tick one join feed.tick other using (generation)
          where one.tick <> other.tick and other.count > 0
            and other.first_position between one.first_position and one.first_position + one.count - 1",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!(twice, 0, "no position is in two ticks");
}

#[tokio::test]
async fn a_leader_that_stalls_is_replaced_within_five_seconds() {
    let world = World::new().await;
    let leader = world.node().await;
    until("the first node leads", async || leads(&leader).await).await;
    let _standby = world.node().await;
    let seen = "select (extract(epoch from leader_seen) * 1000)::bigint from feed.state";
    let mut session = world.session().await;
    leader.signal("STOP");
    let (last, pid) = (world.number(seen).await, leader_pid(&mut session).await);
    until("the other node leads", async || leader_pid(&mut session).await != pid).await;
    let gap = world.number(seen).await - last;
    assert!(gap < 5_000, "{gap} ms between the last sign of life of one and the first of the other");
}

async fn leader_pid(session: &mut PgConnection) -> i32 {
    sqlx::query_scalar("select leader_pid from feed.state").fetch_one(session).await.unwrap()
}

/// What an administrator may well set for a database; here with spans that nothing in it survives.
const TIMEOUTS: [&str; 3] = ["statement_timeout = '1ms'", "lock_timeout = '1ms'", "idle_session_timeout = '100ms'"];

#[tokio::test]
async fn timeouts_that_an_administrator_sets_for_others_do_not_stop_the_feed() {
    let world = World::migrated().await;
    world
        .sql("insert into messages (content, sender_id) select n, gen_random_uuid() from generate_series(1, 5000) n")
        .await;
    let (mut session, name) = (world.session().await, world.database_url.rsplit_once('/').unwrap().1);
    for timeout in TIMEOUTS {
        session.execute(AssertSqlSafe(format!("alter database {name} set {timeout}"))).await.unwrap();
    }
    let node = world.node().await;
    let mut stream = node.open("", Some("1-0")).await;
    assert_eq!(stream.next().await.kind(), "connected");
    saw(&mut stream, 5000).await;
    let (leader, bell) = (leader_pid(&mut session).await, bell(&mut session).await);
    // The row that the leader stamps is locked, until it waits.
    let mut lock = session.begin().await.unwrap();
    lock.execute("update feed.state set leader = leader").await.unwrap();
    let waiting = "select count(*) from pg_stat_activity where pid = $1 and wait_event_type = 'Lock'";
    until("the leader waits", async || {
        sqlx::query_scalar::<_, i64>(waiting).bind(leader).fetch_one(&mut *lock).await.unwrap() == 1
    })
    .await;
    lock.commit().await.unwrap();
    node.say(message("after")).await;
    assert_eq!(stream.next().await.content(), "after");
    assert_eq!((leader_pid(&mut session).await, self::bell(&mut session).await), (leader, bell));
}

/// The session that hears the leader's bell.
async fn bell(session: &mut PgConnection) -> i32 {
    let listening = "select coalesce(max(pid), 0) from pg_stat_activity
        where datname = current_database() and query ilike 'listen%feed_wake%'";
    sqlx::query_scalar(listening).fetch_one(session).await.unwrap()
}

/// A standby server that is promoted is on another timeline; here the database is made to believe that it was.
async fn promote(world: &World) {
    world.pool.execute("update feed.generation set timeline = 99").await.unwrap();
    end_leaders_session(world).await;
}

#[tokio::test]
async fn after_a_failover_subscribers_are_told_to_read_anew() {
    let (world, node) = World::with_node().await;
    let mut stream = node.stream("").await;
    say(&node, 3).await;
    saw(&mut stream, 3).await;
    promote(&world).await;
    let reset = stream.next().await;
    assert_eq!((reset.kind().as_str(), reset.id.as_str()), ("reset", "2-3"));
    assert_eq!(reset.data()["reason"], "generation");
    say(&node, 1).await;
    assert_eq!(stream.next().await.id, "2-4", "positions go on above the old ones");
}

#[tokio::test]
async fn an_id_from_before_a_failover_is_answered_with_a_reset() {
    let (world, node) = World::with_node().await;
    let mut stream = node.stream("").await;
    say(&node, 3).await;
    promote(&world).await;
    while stream.next().await.kind() != "reset" {}
    let mut back = node.open("", Some("1-2")).await;
    let connected = back.next().await;
    assert_eq!((connected.data()["resumed"].as_bool(), connected.id.as_str()), (Some(false), ""));
    assert_eq!(back.next().await.data()["reason"], "generation");
}

#[tokio::test]
async fn what_was_committed_while_nobody_led_comes_first_in_the_new_generation() {
    let world = World::new().await;
    let mut node = world.node().await;
    say(&node, 3).await;
    let mut stream = node.stream("").await;
    node.process.kill().await.unwrap();
    while stream.try_next().await.is_some() {}
    world.sql("update feed.generation set timeline = 99").await;
    world.sql("insert into messages (content, sender_id) values ('between', gen_random_uuid())").await;
    let node = world.node().await;
    until("the new generation is there", async || node.get("/health").await.body["hub"]["head"] == "2-4").await;
    let mut stream = node.open("", Some("2-3")).await;
    assert_eq!(stream.next().await.data()["resumed"], true);
    assert_eq!(stream.next().await.content(), "between");
}
