//! The calls to Redis by themselves: what one of them does that comes too late, or where a part was lost.

use std::{collections::BTreeSet, time::Duration};

use rowcast::redis::{
    Line, Redis,
    presence::{Entry, Rooms, Times, Touched},
};

use super::house::House;

const LONG: Duration = Duration::from_secs(60);

fn rooms(house: &House) -> Rooms {
    let line = Line::new(Redis::new(&house.redis_url, &house.prefix).unwrap(), Duration::from_secs(10));
    Rooms::new(line, Times { era: LONG, keep: LONG * 2 })
}

fn entry(connection: u64, user: &str, keep: Duration) -> Entry {
    Entry { connection, user: user.into(), keep }
}

async fn names(rooms: &Rooms) -> Vec<String> {
    rooms.read("lobby", 100).await.unwrap().users.unwrap()
}

#[tokio::test]
async fn a_call_that_was_held_up_is_not_heeded_after_a_later_one_of_its_node() {
    let house = House::new().await;
    let rooms = rooms(&house);
    let came = Touched { came: 1, went: 0, over: 0 };
    assert_eq!(rooms.touch("lobby", "node", 1, &[entry(1, "ann", LONG)]).await.unwrap(), came);
    rooms.touch("lobby", "node", 3, &[entry(1, "ann", Duration::ZERO)]).await.unwrap();
    // Nobody is in the room, and still it is known.
    let late = rooms.touch("lobby", "node", 2, &[entry(1, "ann", LONG)]).await.unwrap();
    assert_eq!(late, Touched { came: 0, went: 0, over: 0 });
    assert!(names(&rooms).await.is_empty());
    // The same one again, since its answer was lost, and another node's.
    for (node, number, user) in [("node", 3, "bob"), ("node", 3, "bob"), ("other", 1, "eve")] {
        rooms.touch("lobby", node, number, &[entry(2, user, LONG)]).await.unwrap();
    }
    assert_eq!(names(&rooms).await, ["bob", "eve"]);
    assert_eq!(rooms.list("lobby", None, 1).await.unwrap().users[0].connections, 1, "it is counted once");
}

#[tokio::test]
async fn what_was_before_an_era_is_not_believed_and_the_first_call_clears_it_away() {
    let house = House::new().await;
    let rooms = rooms(&house);
    rooms.touch("lobby", "node", 1, &[entry(1, "ann", LONG), entry(2, "bob", LONG)]).await.unwrap();
    let first = rooms.read("lobby", 100).await.unwrap();
    house.ask::<u64>(&["DEL", &format!("{}presence:era", house.prefix)]).await;
    let second = rooms.read("lobby", 100).await.unwrap();
    assert!(second.era != first.era && second.age <= first.age + Duration::from_secs(1));
    assert_eq!((second.count, rooms.list("lobby", None, 10).await.unwrap().count), (0, 0));
    rooms.touch("lobby", "node", 2, &[entry(2, "bob", LONG)]).await.unwrap();
    assert_eq!(names(&rooms).await, ["bob"]);
    assert_eq!(rooms.list("lobby", None, 10).await.unwrap().users[0].connections, 1);
}

#[tokio::test]
async fn where_one_part_of_a_room_was_lost_the_room_begins_anew() {
    let house = House::new().await;
    let rooms = rooms(&house);
    for part in ["", ":users", ":names"] {
        rooms.touch("lobby", "node", 1, &[entry(1, "ann", LONG), entry(2, "bob", LONG)]).await.unwrap();
        house.ask::<u64>(&["DEL", &format!("{}presence:{{lobby}}{part}", house.prefix)]).await;
        rooms.touch("lobby", "node", 1, &[entry(2, "bob", LONG)]).await.unwrap();
        assert_eq!(names(&rooms).await, ["bob"], "without {part}");
        assert_eq!(rooms.list("lobby", None, 10).await.unwrap().count, 1);
        rooms.touch("lobby", "node", 1, &[entry(2, "bob", Duration::ZERO)]).await.unwrap();
    }
}

#[tokio::test]
async fn whoever_sweeps_first_finds_those_whose_time_is_over_and_nobody_else_does() {
    let house = House::new().await;
    let rooms = rooms(&house);
    let short = Duration::from_millis(1);
    let entries: Vec<Entry> = (0..10).map(|n| entry(n, &format!("user {n}"), short)).collect();
    rooms.touch("lobby", "node", 1, &entries).await.unwrap();
    rooms.touch("lobby", "node", 2, &[entry(20, "user 0", LONG)]).await.unwrap();
    rooms.touch("other", "node", 3, &[entry(1, "ann", LONG)]).await.unwrap();
    house.forgotten_but("lobby", 1).await;
    assert_eq!(rooms.due(10).await.unwrap(), ["lobby"]);
    let sweeps = (0..8).map(|_| rooms.sweep("lobby", 4));
    let swept = futures_util::future::try_join_all(sweeps).await.unwrap();
    let sum = |of: fn(&Touched) -> u64| swept.iter().map(of).sum::<u64>();
    assert_eq!((sum(|one| one.over), sum(|one| one.went), sum(|one| one.came)), (10, 9, 0));
    assert!(swept.iter().all(|one| one.over <= 4), "no more at once than were asked for");
    assert!(rooms.due(10).await.unwrap().is_empty());
    assert_eq!(names(&rooms).await, ["user 0"]);
}

#[tokio::test]
async fn every_key_has_an_end() {
    let house = House::new().await;
    let rooms = rooms(&house);
    rooms.touch("lobby", "node", 1, &[entry(1, "ann", LONG)]).await.unwrap();
    let parts = ["", ":names", ":nodes", ":users"].map(|part| format!("presence:{{lobby}}{part}"));
    let all: BTreeSet<String> = ["presence", "presence:era"].map(str::to_owned).into_iter().chain(parts).collect();
    assert_eq!(house.keys().await, all);
    for key in all {
        let left: i64 = house.ask(&["PTTL", &format!("{}{key}", house.prefix)]).await;
        assert!(left > 0 && left <= 120_000, "{key}: {left}");
    }
    rooms.touch("lobby", "node", 2, &[entry(1, "ann", Duration::ZERO)]).await.unwrap();
    let left = ["presence:era".to_owned(), "presence:{lobby}:nodes".to_owned()];
    assert_eq!(house.keys().await, left.into());
}

#[tokio::test]
async fn where_memory_is_full_all_of_a_call_is_done_or_nothing() {
    let house = House::with_own_redis().await;
    let rooms = rooms(&house);
    let gone = |connection, user| entry(connection, user, Duration::ZERO);
    let both = [entry(1, "ann", LONG), entry(2, "ann", LONG), entry(3, "bob", LONG)];
    rooms.touch("lobby", "node", 1, &both).await.unwrap();
    house.ask::<String>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    rooms.touch("lobby", "node", 2, &[gone(1, "ann"), gone(3, "bob"), entry(4, "eve", LONG)]).await.unwrap();
    assert_eq!(names(&rooms).await, ["ann", "eve"]);
    house.ask::<u64>(&["DEL", "p:presence:era"]).await;
    let before = house.keys().await;
    let refused = rooms.touch("lobby", "node", 3, &[gone(4, "eve"), entry(5, "zoe", LONG)]).await.unwrap_err();
    assert!(refused.is_refusal(), "{refused}");
    assert!(rooms.read("lobby", 10).await.is_err());
    assert_eq!(house.keys().await, before);
    house.ask::<String>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    rooms.touch("lobby", "node", 4, &[entry(2, "ann", LONG)]).await.unwrap();
    assert_eq!(names(&rooms).await, ["ann"]);
}
