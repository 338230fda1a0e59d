//! A user comes with the first connection and goes with the last, and nothing else is told.

use super::house::{HASTY, House, PATIENT, joined, left, state};

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
    let [one, two] = house.nodes(HASTY).await;
    let mut watcher = one.watch("lobby");
    watcher.is_told(state(&[])).await;
    let first = one.presence.enter("lobby", "ann");
    watcher.is_told(joined("ann", 1)).await;
    drop(first);
    one.told().await;
    let second = two.presence.enter("lobby", "ann");
    two.told().await;
    // The first one is taken away, and that is all.
    super::house::until_listed(&one, "lobby", &[("ann", 1)]).await;
    drop(second);
    watcher.is_told(left("ann", 0)).await;
}
