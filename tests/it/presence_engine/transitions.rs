//! A user comes with the first connection and goes with the last, and nothing else is told.

use std::time::Duration;

use rowcast::presence::{Options, What};

use super::house::{HASTY, House, PATIENT, joined, left, state, until_listed};

#[tokio::test]
async fn a_user_comes_with_the_first_connection_and_goes_with_the_last() {
    let house = House::new().await;
    let [one, two] = house.nodes(PATIENT).await;
    let (mut here, mut there) = (one.watch("lobby"), two.watch("lobby"));
    here.is_told(state(&[])).await;
    there.is_told(state(&[])).await;
    let first = one.presence.enter("lobby", "ann");
    here.is_told(joined("ann", 1)).await;
    there.is_told(joined("ann", 1)).await;
    let second = two.presence.enter("lobby", "ann");
    let bob = two.presence.enter("lobby", "bob");
    here.is_told(joined("bob", 2)).await;
    there.is_told(joined("bob", 2)).await;
    assert_eq!(one.list("lobby").await, [("ann".to_owned(), 2), ("bob".to_owned(), 1)].into());
    first.leave();
    one.told().await;
    bob.leave();
    here.is_told(left("bob", 1)).await;
    there.is_told(left("bob", 1)).await;
    second.leave();
    here.is_told(left("ann", 0)).await;
    there.is_told(left("ann", 0)).await;
}

#[tokio::test]
async fn who_comes_back_within_the_grace_has_not_been_away() {
    let house = House::new().await;
    let options = Options { grace: Duration::from_secs(3), ..HASTY };
    let [one, two] = house.nodes(options).await;
    let mut watcher = one.watch("lobby");
    watcher.is_told(state(&[])).await;
    drop(one.seen("lobby", "ann", &mut watcher).await);
    one.told().await;
    // Who is there is told now, and nobody has gone.
    let bob = one.seen("lobby", "bob", &mut watcher).await;
    let second = two.presence.enter("lobby", "ann");
    two.told().await;
    // The first one is taken away, and that is all.
    until_listed(&one, "lobby", &[("ann", 1), ("bob", 1)]).await;
    bob.leave();
    watcher.is_told(left("bob", 1)).await;
    drop(second);
    watcher.is_told(left("ann", 0)).await;
}

#[tokio::test]
async fn whose_connection_ends_is_there_for_the_grace_and_who_leaves_is_gone_at_once() {
    let house = House::new().await;
    let node = house.node(PATIENT).await;
    let mut watcher = node.watch("lobby");
    watcher.is_told(state(&[])).await;
    drop(node.seen("lobby", "ann", &mut watcher).await);
    let bob = node.seen("lobby", "bob", &mut watcher).await;
    bob.leave();
    watcher.is_told(left("bob", 1)).await;
    assert_eq!(node.list("lobby").await, [("ann".to_owned(), 1)].into());
    watcher.is_told_nothing();
}

#[tokio::test]
async fn who_comes_and_goes_before_redis_knows_was_never_there() {
    let house = House::new().await;
    let node = house.node(PATIENT).await;
    // Nothing else runs meanwhile.
    node.presence.enter("lobby", "ann").leave();
    drop(node.presence.enter("lobby", "bob"));
    let stats = node.presence.stats();
    assert_eq!((stats.here, stats.untold), (0, 0));
    let mut watcher = node.watch("lobby");
    watcher.is_told(state(&[])).await;
    let _eve = node.seen("lobby", "eve", &mut watcher).await;
    assert_eq!(node.list("lobby").await, [("eve".to_owned(), 1)].into());
}

#[tokio::test]
async fn rooms_have_nothing_to_do_with_each_other() {
    let house = House::new().await;
    let node = house.node(PATIENT).await;
    let (mut a, mut b) = (node.watch("a"), node.watch("b"));
    a.is_told(state(&[])).await;
    b.is_told(state(&[])).await;
    let in_a = node.seen("a", "ann", &mut a).await;
    let in_b = node.presence.enter("b", "ann");
    b.is_told(joined("ann", 1)).await;
    in_a.leave();
    a.is_told(left("ann", 0)).await;
    assert_eq!((node.list("a").await.len(), node.list("b").await.len()), (0, 1));
    in_b.leave();
    b.is_told(left("ann", 0)).await;
    a.is_told_nothing();
}

#[tokio::test]
async fn a_watcher_that_comes_later_is_told_first_who_is_there_and_then_the_same_as_others() {
    let house = House::new().await;
    let node = house.node(PATIENT).await;
    let mut first = node.watch("lobby");
    first.is_told(state(&[])).await;
    let _ann = node.seen("lobby", "ann", &mut first).await;
    let bob = node.seen("lobby", "bob", &mut first).await;
    let mut second = node.watch("lobby");
    second.is_told(state(&["ann", "bob"])).await;
    bob.leave();
    let (to_first, to_second) = (first.next().await, second.next().await);
    assert_eq!(to_first.what, left("bob", 1));
    assert!(std::sync::Arc::ptr_eq(&to_first, &to_second), "it is made once");
    assert_eq!(
        std::str::from_utf8(&to_first.frame).unwrap(),
        "data: {\"type\":\"user_left\",\"data\":{\"room\":\"lobby\",\"user_id\":\"bob\",\"count\":1}}\n\n"
    );
    // The last watcher goes, and another one comes: it reads anew.
    drop((first, second));
    let mut third = node.watch("lobby");
    third.is_told(state(&["ann"])).await;
    assert_eq!((node.presence.stats().watched, node.presence.stats().watchers), (1, 1));
    drop(third);
    crate::support::until("nobody reads", async || node.presence.stats().watched == 0).await;
}

#[tokio::test]
async fn a_user_may_be_called_anything() {
    let house = House::new().await;
    let [one, two] = house.nodes(PATIENT).await;
    let long = "é".repeat(127);
    let names =
        ["", " ", "a b", " a", "a|b", "auth0|5f7c ü", "a\r\nb", "a\0b", "\u{10FFFF}", "🦀", "(", "-", "+", &long];
    let mut watcher = two.watch("lobby");
    watcher.is_told(state(&[])).await;
    let mut here = Vec::new();
    for (count, name) in (1..).zip(names) {
        here.push(one.presence.enter("lobby", name));
        watcher.is_told(joined(name, count)).await;
    }
    let mut in_order = names.map(str::to_owned);
    in_order.sort();
    // By name, one after the other.
    let (mut listed, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = two.presence.list("lobby", after.as_deref(), 1).await.unwrap();
        assert_eq!((page.count, page.users.len()), (names.len() as u64, 1));
        after = Some(page.users[0].user_id.clone());
        listed.extend(page.users.into_iter().map(|user| user.user_id));
        if !page.has_more {
            break;
        }
    }
    assert_eq!(listed, in_order);
    watcher.is_told_nothing();
    for (left_over, (name, here)) in names.iter().zip(here).enumerate().map(|(n, one)| (names.len() - n - 1, one)) {
        here.leave();
        watcher.is_told(left(name, left_over as u64)).await;
    }
}

#[tokio::test]
async fn when_all_have_gone_redis_keeps_nothing() {
    let house = House::new().await;
    let [one, two] = house.nodes(HASTY).await;
    let mut watcher = one.watch("a");
    watcher.is_told(state(&[])).await;
    let ann = one.presence.enter("a", "ann");
    watcher.is_told(joined("ann", 1)).await;
    let _bob = two.presence.enter("b", "bob");
    two.told().await;
    let keys = ["", ":users", ":names", ":nodes"].map(|part| format!("presence:{{a}}{part}"));
    let there = house.keys().await;
    assert!(keys.iter().all(|key| there.contains(key)), "{there:?}");
    ann.leave();
    watcher.is_told(left("ann", 0)).await;
    // In good order, without a word, and nobody is left who could tidy up.
    one.stop().await;
    two.die().await;
    crate::support::until("nothing is there", async || house.keys().await.is_empty()).await;
}

#[tokio::test]
async fn those_on_a_node_that_stops_leave_with_the_grace_and_may_come_back_on_another() {
    let house = House::new().await;
    // Nobody is missed before long.
    let options = Options { ttl: PATIENT.ttl, ..HASTY };
    let [one, two] = house.nodes(options).await;
    let mut watcher = two.watch("lobby");
    watcher.is_told(state(&[])).await;
    let _ann = one.seen("lobby", "ann", &mut watcher).await;
    let _bob = one.seen("lobby", "bob", &mut watcher).await;
    // One just comes, and another one has just gone: what is under way when it stops is not lost.
    let _eve = one.presence.enter("lobby", "eve");
    drop(one.presence.enter("lobby", "ann"));
    one.stop().await;
    let _back = two.presence.enter("lobby", "ann");
    let mut gone = Vec::new();
    while watcher.names() != ["ann"] || gone.is_empty() {
        match &watcher.next().await.what {
            What::Left { user, .. } => gone.push(user.to_string()),
            What::Joined { user, .. } => assert_eq!(&**user, "eve"),
            state @ What::State { .. } => panic!("{state:?}"),
        }
    }
    assert!(gone.contains(&"bob".to_owned()) && !gone.contains(&"ann".to_owned()), "{gone:?}");
}
