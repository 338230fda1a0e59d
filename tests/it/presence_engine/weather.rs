//! Whatever becomes of Redis: nobody is told as gone who is there, who comes meanwhile waits, and in the end all nodes
//! agree again.

use std::time::Duration;

use rowcast::presence::{Options, What};

use super::house::{HASTY, House, Node, PATIENT, Watcher, joined, left, state, until_listed};
use crate::support::until;

/// Two nodes, ann at the first, bob at the second, and one at each who watches.
async fn two_and_two(house: &House) -> ([Node; 2], Vec<rowcast::presence::Here>, [Watcher; 2]) {
    let [one, two] = house.nodes(HASTY).await;
    let mut watchers = [one.watch("lobby"), two.watch("lobby")];
    let ann = one.presence.enter("lobby", "ann");
    let bob = two.presence.enter("lobby", "bob");
    for watcher in &mut watchers {
        watcher.sees(&["ann", "bob"]).await;
    }
    one.told().await;
    two.told().await;
    ([one, two], vec![ann, bob], watchers)
}

/// What a watcher is told until it was told so much.
async fn told(watcher: &mut Watcher, count: usize) -> Vec<What> {
    let mut told = Vec::new();
    while told.len() < count {
        told.push(watcher.next().await.what.clone());
    }
    told
}

#[tokio::test]
async fn when_redis_is_back_after_long_nobody_was_away_but_who_has_gone() {
    let house = House::new().await;
    let ([one, two], mut here, mut watchers) = two_and_two(&house).await;
    one.link.cut();
    two.link.cut();
    here.remove(1).leave();
    let _eve = two.presence.enter("lobby", "eve");
    assert!(one.presence.list("lobby", None, 10).await.is_err());
    house.forgotten("lobby").await;
    for watcher in &mut watchers {
        watcher.is_told_nothing();
    }
    assert_eq!(two.presence.stats().untold, 2);
    two.link.mend();
    one.link.mend();
    for watcher in &mut watchers {
        let mut told = told(watcher, 2).await;
        told.sort_by_key(|what| matches!(what, What::Left { .. }));
        assert!(matches!(&told[0], What::Joined { user, .. } if &**user == "eve"), "{told:?}");
        assert!(matches!(&told[1], What::Left { user, .. } if &**user == "bob"), "{told:?}");
        assert_eq!(watcher.names(), ["ann", "eve"]);
        watcher.is_told_nothing();
    }
    until_listed(&one, "lobby", &[("ann", 1), ("eve", 1)]).await;
}

#[tokio::test]
async fn when_redis_has_lost_all_it_knows_all_again_and_only_who_is_gone_is_told_as_gone() {
    let house = House::with_own_redis().await;
    let ([one, two], _here, mut watchers) = two_and_two(&house).await;
    let three = house.node(HASTY).await;
    let _zoe = three.presence.enter("lobby", "zoe");
    for watcher in &mut watchers {
        watcher.is_told(joined("zoe", 3)).await;
    }
    three.told().await;
    three.die().await;
    house.ask::<String>(&["FLUSHALL"]).await;
    // It is seen that she is not there, and nobody else is: but not told.
    let eve = one.presence.enter("lobby", "eve");
    for watcher in &mut watchers {
        watcher.is_told(joined("eve", 4)).await;
    }
    eve.leave();
    for watcher in &mut watchers {
        // Of her it is known that she was there since.
        watcher.is_told(left("eve", 3)).await;
    }
    until_listed(&two, "lobby", &[("ann", 1), ("bob", 1)]).await;
    for watcher in &mut watchers {
        watcher.is_told(left("zoe", 2)).await;
        assert_eq!(watcher.names(), ["ann", "bob"]);
    }
}

#[tokio::test]
async fn when_redis_has_crashed_all_is_as_it_was() {
    let mut house = House::with_own_redis().await;
    let ([one, two], _here, mut watchers) = two_and_two(&house).await;
    let url = house.redis_url.clone();
    let (machine, _) = house.machine.as_mut().unwrap();
    machine.end("KILL").await;
    machine.start().await;
    assert_eq!(machine.url(), url, "it is where it was");
    until_listed(&one, "lobby", &[("ann", 1), ("bob", 1)]).await;
    let _eve = two.presence.enter("lobby", "eve");
    for watcher in &mut watchers {
        watcher.is_told(joined("eve", 3)).await;
    }
}

#[tokio::test]
async fn who_is_on_a_node_that_redis_has_not_heard_for_long_is_gone_elsewhere_and_not_there() {
    let house = House::new().await;
    let ([one, two], _here, [mut at_one, mut at_two]) = two_and_two(&house).await;
    one.link.cut();
    at_two.is_told(left("ann", 1)).await;
    one.link.mend();
    at_two.is_told(joined("ann", 2)).await;
    let _eve = two.presence.enter("lobby", "eve");
    at_two.is_told(joined("eve", 3)).await;
    at_one.is_told(joined("eve", 3)).await;
}

#[tokio::test]
async fn a_number_does_not_get_smaller_where_somebody_may_be_missing() {
    let house = House::with_own_redis().await;
    // It is read before it is told again who is there.
    let [one, two] = house.nodes(Options { listed: 1, ttl: HASTY.ttl * 8, ..HASTY }).await;
    let mut watcher = one.watch("lobby");
    watcher.is_told(state(&[])).await;
    let _here: Vec<_> = (0..4).map(|n| two.presence.enter("lobby", &n.to_string())).collect();
    while watcher.count != 4 {
        watcher.next().await;
    }
    two.told().await;
    house.ask::<String>(&["FLUSHALL"]).await;
    let _eve = one.presence.enter("lobby", "eve");
    watcher.is_told(What::State { count: 5, users: None }).await;
}

#[tokio::test]
async fn a_redis_that_says_nothing_holds_up_nobody_and_whether_it_hears_of_it_later_or_never_does_no_harm() {
    for later in [true, false] {
        let house = House::new().await;
        let [one, two] = house.nodes(Options { patience: Duration::from_millis(100), ..PATIENT }).await;
        let mut watcher = two.watch("lobby");
        watcher.is_told(state(&[])).await;
        one.link.hush();
        let ann = one.presence.enter("lobby", "ann");
        let _eve = one.presence.enter("lobby", "eve");
        let silent = async || one.presence.list("lobby", None, 1).await.is_err();
        until("it is under way, and there is no answer", silent).await;
        ann.leave();
        assert!(silent().await);
        watcher.is_told_nothing();
        if !later {
            one.link.cut();
        }
        one.link.mend();
        one.told().await;
        watcher.sees(&["eve"]).await;
        assert_eq!(two.list("lobby").await, [("eve".to_owned(), 1)].into());
    }
}
