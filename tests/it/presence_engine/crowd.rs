//! Ten thousand users in one room: all are counted, all can be listed, and nothing takes long.

use std::time::{Duration, Instant};

use redis::Value;
use rowcast::presence::{Options, What};

use super::house::{HASTY, House, Node, Watcher};
use crate::support::until;

const USERS: usize = 10_000;

/// What it takes is told, and held to a bound that a busy machine keeps: a script holds up all of Redis.
const LONGEST: Duration = Duration::from_millis(50);

fn name(number: usize) -> String {
    format!("0c544734-1888-5ee1-94a9-{number:012}")
}

/// Waits until a watcher knows that there are so many.
async fn counted(watcher: &mut Watcher, count: usize) {
    while watcher.count != count as u64 {
        if let What::State { users: None, .. } = &watcher.next().await.what {
            continue;
        }
        assert!(watcher.count <= 1000, "so many are not told one by one");
    }
}

/// All users by name, as one reads them page by page.
async fn all(node: &Node) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = node.presence.list("hall", after.as_deref(), 700).await.unwrap();
        assert_eq!(page.count, USERS as u64);
        after = page.users.last().map(|user| user.user_id.clone());
        all.extend(page.users.into_iter().map(|user| user.user_id));
        if !page.has_more {
            return all;
        }
    }
}

/// The longest that a script took, and how many there were.
async fn scripts(house: &House) -> (Duration, usize) {
    let log: Vec<Vec<Value>> = house.ask(&["SLOWLOG", "GET", "100000"]).await;
    let took = log.iter().filter_map(|entry| match (&entry[2], &entry[3]) {
        (Value::Int(micros), Value::Array(words)) if words[0] == Value::BulkString(b"EVALSHA".into()) => {
            Some(Duration::from_micros(*micros as u64))
        }
        _ => None,
    });
    let took: Vec<Duration> = took.collect();
    (took.iter().max().copied().unwrap_or_default(), took.len())
}

#[tokio::test]
async fn ten_thousand_users_in_a_room_are_counted_and_listed_and_no_script_takes_long() {
    let house = House::with_own_redis().await;
    house.ask::<String>(&["CONFIG", "SET", "slowlog-max-len", "100000"]).await;
    house.ask::<String>(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]).await;
    let options = Options { ttl: Duration::from_secs(10), ..HASTY };
    let [one, two] = house.nodes(options).await;
    let mut watcher = one.watch("hall");
    let before: u64 = memory(&house).await;
    let begun = Instant::now();
    let mut here: Vec<_> = (0..USERS).map(|n| [&one, &two][n % 2].presence.enter("hall", &name(n))).collect();
    one.told().await;
    two.told().await;
    let entered = begun.elapsed();
    let each = (memory(&house).await - before) / USERS as u64;
    counted(&mut watcher, USERS).await;
    let users = all(&two).await;
    assert!(users.iter().map(String::as_str).eq((0..USERS).map(name).collect::<Vec<_>>().iter().map(String::as_str)));
    let (longest, calls) = scripts(&house).await;
    eprintln!("{USERS} came in {entered:?}; {each} B each in Redis; {calls} scripts, the longest took {longest:?}");
    assert!(longest < LONGEST, "{longest:?}");
    // How many there are is one number.
    house.ask::<String>(&["SLOWLOG", "RESET"]).await;
    assert_eq!(one.presence.list("hall", None, 1).await.unwrap().count, USERS as u64);
    drop(here.drain(..2));
    counted(&mut watcher, USERS - 2).await;
    // A node dies without a word: half of them.
    let died = Instant::now();
    two.die().await;
    counted(&mut watcher, USERS / 2 - 1).await;
    let (longest, calls) = scripts(&house).await;
    eprintln!(
        "half of them had gone {:?} after a death; {calls} scripts, the longest took {longest:?}",
        died.elapsed()
    );
    assert!(longest < LONGEST, "{longest:?}");
    // The rest goes, one and all.
    here.into_iter().for_each(rowcast::presence::Here::leave);
    counted(&mut watcher, 0).await;
    until("nobody is left", async || one.presence.list("hall", None, 1).await.unwrap().users.is_empty()).await;
}

/// What Redis has in use, in bytes, but for its log of scripts.
async fn memory(house: &House) -> u64 {
    house.ask::<String>(&["SLOWLOG", "RESET"]).await;
    let info: String = house.ask(&["INFO", "memory"]).await;
    info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().parse().unwrap()
}
