//! A subscription ends with its time, on one timer for all of them.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt};
use tokio::time::{Instant, advance};

use super::*;

const END: Duration = Duration::from_secs(60);

/// The hub of a node, and what keeps its time.
fn hub() -> (Hub, tokio::task::JoinHandle<()>) {
    let hub = Hub::new(OPTIONS, Arc::new(List::new(EventId::new(1, 0))), EventId::new(1, 0));
    let timer = hub.clone();
    (hub, tokio::spawn(async move { timer.expire().await }))
}

async fn subscribe(hub: &Hub, until: Option<Duration>) -> Subscription {
    let until = until.map(|until| Instant::now() + until);
    let mut subscription = hub.subscribe(None, Filter::All, until).await.unwrap();
    let opening = subscription.next().await.unwrap().unwrap();
    assert!(opening.starts_with(b"retry: "));
    subscription
}

#[tokio::test(start_paused = true)]
async fn each_is_sent_away_in_its_time_and_not_before() {
    let (hub, _timer) = hub();
    let mut ever = subscribe(&hub, None).await;
    let mut late = subscribe(&hub, Some(END)).await;
    let mut early = subscribe(&hub, Some(END / 2)).await;
    advance(END / 2 - Duration::from_millis(10)).await;
    assert!(early.next().now_or_never().is_none());
    advance(Duration::from_millis(20)).await;
    assert_eq!(early.next().await.unwrap().unwrap(), crate::frame::expired());
    assert!(early.next().await.is_none());
    assert!(late.next().now_or_never().is_none());
    advance(END).await;
    assert_eq!(late.next().await.unwrap().unwrap(), crate::frame::expired());
    assert!(ever.next().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn whose_time_is_over_already_goes_at_once() {
    let (hub, _timer) = hub();
    let mut over = subscribe(&hub, Some(Duration::ZERO)).await;
    assert_eq!(over.next().await.unwrap().unwrap(), crate::frame::expired());
}

#[tokio::test(start_paused = true)]
async fn who_goes_leaves_no_time_behind() {
    let (hub, _timer) = hub();
    let all = [subscribe(&hub, Some(END)).await, subscribe(&hub, Some(END)).await];
    assert_eq!(hub.0.slots().expire(Instant::now()), Some(Instant::now() + END));
    drop(all);
    assert_eq!(hub.0.slots().expire(Instant::now()), None);
    // Who comes to the same place has nothing of it.
    let mut next = subscribe(&hub, None).await;
    advance(END * 2).await;
    assert!(next.next().now_or_never().is_none());
}
