//! Whatever Redis says, and does not say: what watchers are told fits together.

use tokio::time::advance;

use super::*;

const SETTLE: Duration = Duration::from_secs(12);
const MOST: usize = 8;

fn reading(era: &str, age: u64, users: &[&str]) -> Reading {
    let users: Vec<String> = users.iter().map(|user| (*user).to_owned()).collect();
    Reading { era: era.to_owned(), age: Duration::from_secs(age), count: users.len() as u64, users: Some(users) }
}

fn counting(era: &str, age: u64, count: u64) -> Reading {
    Reading { era: era.to_owned(), age: Duration::from_secs(age), count, users: None }
}

fn left(user: &str, count: u64) -> What {
    What::Left { user: user.into(), count }
}

fn joined(user: &str, count: u64) -> What {
    What::Joined { user: user.into(), count }
}

/// A roster that knows of ann and bob since long.
fn roster() -> Roster {
    let mut roster = Roster::new();
    assert!(roster.state().is_none());
    let users = Some(vec!["ann".into(), "bob".into()]);
    assert_eq!(roster.learn(reading("1", 99, &["ann", "bob"]), SETTLE, MOST), [What::State { count: 2, users }]);
    roster
}

#[tokio::test(start_paused = true)]
async fn the_difference_is_told_and_nothing_twice() {
    let mut roster = roster();
    assert_eq!(roster.learn(reading("1", 99, &["ann", "bob"]), SETTLE, MOST), []);
    let changes = [joined("eve", 3), joined("zoe", 3), left("ann", 3)];
    assert_eq!(roster.learn(reading("1", 99, &["bob", "eve", "zoe"]), SETTLE, MOST), changes);
    assert_eq!(roster.learn(reading("1", 99, &["bob", "eve", "zoe"]), SETTLE, MOST), []);
}

#[tokio::test(start_paused = true)]
async fn in_another_era_nobody_is_gone_before_all_have_had_the_time_to_come_again() {
    let mut roster = roster();
    assert_eq!(roster.learn(reading("2", 1, &["eve"]), SETTLE, MOST), [joined("eve", 3)]);
    assert_eq!(roster.doubt(), Some(Instant::now() + SETTLE - Duration::from_secs(1)));
    // Of those nothing was heard in it; of these something was.
    assert_eq!(roster.learn(reading("2", 2, &["ann", "eve"]), SETTLE, MOST), []);
    assert_eq!(roster.learn(reading("2", 3, &[]), SETTLE, MOST), [left("ann", 1), left("eve", 1)]);
    advance(SETTLE).await;
    assert_eq!(roster.learn(reading("2", 15, &[]), SETTLE, MOST), [left("bob", 0)]);
    assert_eq!(roster.doubt(), None);
}

#[tokio::test(start_paused = true)]
async fn where_redis_could_not_be_read_nobody_is_gone_before_long() {
    let mut roster = roster();
    roster.miss();
    assert_eq!(roster.learn(reading("1", 99, &["bob"]), SETTLE, MOST), []);
    advance(SETTLE - Duration::from_secs(1)).await;
    assert_eq!(roster.learn(reading("1", 99, &["bob"]), SETTLE, MOST), []);
    advance(Duration::from_secs(1)).await;
    assert_eq!(roster.learn(reading("1", 99, &["bob"]), SETTLE, MOST), [left("ann", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_number_in_doubt_gets_larger_and_not_smaller() {
    let mut roster = Roster::new();
    let told = |count| [What::State { count, users: None }];
    // Who has just come misses nobody.
    assert_eq!(roster.learn(counting("1", 0, 20), SETTLE, MOST), told(20));
    assert_eq!(roster.learn(counting("1", 1, 10), SETTLE, MOST), told(10));
    assert_eq!(roster.learn(counting("1", 1, 10), SETTLE, MOST), []);
    assert_eq!(roster.learn(counting("2", 0, 9), SETTLE, MOST), []);
    assert_eq!(roster.learn(reading("2", 0, &["ann"]), SETTLE, MOST), []);
    assert_eq!(roster.learn(counting("2", 0, 11), SETTLE, MOST), told(11));
    assert!(roster.is_counted());
    advance(SETTLE).await;
    let users = Some(vec!["ann".into()]);
    assert_eq!(roster.learn(reading("2", 12, &["ann"]), SETTLE, MOST), [What::State { count: 1, users }]);
}

#[tokio::test(start_paused = true)]
async fn more_changes_than_are_kept_are_told_as_who_is_there() {
    let mut roster = roster();
    let users = ["c", "d", "e", "f", "g", "h", "i"];
    let there = Some(users.iter().map(|user| Arc::from(*user)).collect());
    assert_eq!(roster.learn(reading("1", 99, &users), SETTLE, MOST), [What::State { count: 7, users: there }]);
    assert_eq!(roster.learn(reading("1", 99, &[]), SETTLE, MOST).len(), 7);
}
