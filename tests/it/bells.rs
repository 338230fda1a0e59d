//! A bell rings wherever someone listens, whenever there may be something to see, and nobody is subscribed to what
//! nobody listens to.

use std::{collections::BTreeSet, time::Duration};

use fastrand::Rng;
use futures_util::future::join_all;
use redis::{AsyncCommands, aio::MultiplexedConnection};
use rowcast::redis::{
    Redis,
    bells::{Bell, Bells},
    session::bell as channel,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::support::{Link, Machine, World, soon, until};

/// Bells that are carried, and what Redis knows of them.
struct Tower {
    bells: Bells,
    redis: MultiplexedConnection,
    prefix: String,
    _stop: DropGuard,
}

impl Tower {
    /// Bells that come through this address.
    async fn new(redis_url: &str, through: &str, prefix: &str) -> Self {
        let redis = redis::Client::open(redis_url).unwrap().get_multiplexed_async_connection().await.unwrap();
        let bells = Bells::new(Redis::new(through, prefix).unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(bells.clone().run(stop.clone()));
        Self { bells, redis, prefix: prefix.to_owned(), _stop: stop.drop_guard() }
    }

    async fn of(world: &World) -> Self {
        Self::new(&world.redis_url, &world.redis_url, &world.prefix).await
    }

    /// A bell that can be heard, and has been hushed.
    async fn listen(&self, id: Uuid) -> Bell {
        let mut bell = self.bells.listen(channel(id));
        until("it can be heard", async || self.subscribed().await.contains(&id)).await;
        // Redis knows before we do.
        rung(&mut bell).await;
        bell
    }

    /// How many hear of it.
    async fn ring(&self, id: Uuid) -> u32 {
        self.redis.clone().publish(format!("{}{}", self.prefix, channel(id)), "1").await.unwrap()
    }

    /// The sessions whose bells anybody is subscribed to.
    async fn subscribed(&self) -> BTreeSet<Uuid> {
        let all = format!("{}*", self.prefix);
        let mut redis = self.redis.clone();
        let channels: Vec<String> =
            redis::cmd("PUBSUB").arg("CHANNELS").arg(all).query_async(&mut redis).await.unwrap();
        let id = |channel: String| channel.split(['{', '}']).nth(1).unwrap().parse().unwrap();
        channels.into_iter().map(id).collect()
    }

    /// The connections that are subscribed to anything.
    async fn connections(&self) -> Vec<String> {
        let list: String = redis::cmd("CLIENT")
            .arg("LIST")
            .arg("TYPE")
            .arg("pubsub")
            .query_async(&mut self.redis.clone())
            .await
            .unwrap();
        list.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    }
}

/// Waits until it rings, and hushes it.
async fn rung(bell: &mut Bell) {
    soon("it rings", bell.rung()).await;
    bell.hush();
}

#[tokio::test]
async fn a_bell_rings_when_it_can_be_heard_and_whenever_it_is_rung() {
    let world = World::new().await;
    let (tower, other) = (Tower::of(&world).await, Tower::of(&world).await);
    let id = Uuid::new_v4();
    let mut bells = [tower.bells.listen(channel(id)), tower.bells.listen(channel(id)), other.bells.listen(channel(id))];
    for bell in &mut bells {
        rung(bell).await;
    }
    for _ in 0..3 {
        until("both nodes hear", async || tower.ring(id).await == 2).await;
        for bell in &mut bells {
            rung(bell).await;
        }
    }
    // One that comes when it can be heard long since.
    let mut late = tower.bells.listen(channel(id));
    late.hush();
    tower.ring(id).await;
    rung(&mut late).await;
}

#[tokio::test]
async fn a_ring_before_the_hush_does_not_count_and_one_after_it_does() {
    let world = World::new().await;
    let tower = Tower::of(&world).await;
    let (id, other) = (Uuid::new_v4(), Uuid::new_v4());
    let (mut bell, mut last) = (tower.listen(id).await, tower.listen(other).await);
    tower.ring(id).await;
    tower.ring(other).await;
    // They come in order: the first has rung by now.
    rung(&mut last).await;
    bell.hush();
    assert!(futures_util::FutureExt::now_or_never(bell.rung()).is_none());
    tower.ring(id).await;
    rung(&mut bell).await;
}

#[tokio::test]
async fn when_the_last_listener_goes_nobody_is_subscribed_any_more() {
    let world = World::new().await;
    let tower = Tower::of(&world).await;
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    let (mut first, second, kept) =
        (tower.listen(one).await, tower.bells.listen(channel(one)), tower.listen(two).await);
    drop(second);
    until("one listens", async || tower.ring(one).await == 1).await;
    rung(&mut first).await;
    drop(first);
    until("one bell is left", async || tower.subscribed().await == [two].into()).await;
    drop(kept);
    until("none is left", async || tower.subscribed().await.is_empty()).await;
}

#[tokio::test]
async fn one_connection_carries_thousands_of_bells() {
    let redis = tempfile::tempdir().unwrap();
    let redis = Machine::redis(redis.path()).await;
    let tower = Tower::new(redis.url(), redis.url(), "").await;
    let ids: Vec<Uuid> = (0..2000).map(|_| Uuid::new_v4()).collect();
    let mut bells: Vec<Bell> = ids.iter().map(|id| tower.bells.listen(channel(*id))).collect();
    join_all(bells.iter_mut().map(rung)).await;
    assert_eq!((tower.subscribed().await.len(), tower.connections().await.len()), (2000, 1));
    for id in &ids {
        assert_eq!(tower.ring(*id).await, 1);
    }
    join_all(bells.iter_mut().map(rung)).await;
    drop(bells);
    until("none is left", async || tower.subscribed().await.is_empty()).await;
}

#[tokio::test]
async fn who_comes_while_another_goes_is_heard_in_the_end() {
    let world = World::new().await;
    let tower = Tower::of(&world).await;
    let mut rng = Rng::with_seed(7);
    let ids: Vec<Uuid> = (0..20).map(|_| Uuid::new_v4()).collect();
    let mut bells: Vec<Option<Bell>> = ids.iter().map(|_| None).collect();
    for round in 0..30 {
        for _ in 0..100 {
            let at = rng.usize(0..ids.len());
            bells[at] = match bells[at].take() {
                // The last one goes, and one comes at the same instant.
                Some(bell) if rng.bool() => {
                    drop(bell);
                    Some(tower.bells.listen(channel(ids[at])))
                }
                Some(_) => None,
                None => Some(tower.bells.listen(channel(ids[at]))),
            };
            // Commands are under way meanwhile.
            if rng.u8(0..4) == 0 {
                tower.ring(ids[0]).await;
            }
        }
        let wanted: BTreeSet<Uuid> =
            ids.iter().zip(&bells).filter(|(_, bell)| bell.is_some()).map(|(id, _)| *id).collect();
        until("it has settled", async || tower.subscribed().await == wanted).await;
        let (id, bell) = (ids[round % 20], &mut bells[round % 20]);
        if let Some(bell) = bell {
            bell.hush();
            tower.ring(id).await;
            rung(bell).await;
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_killed_is_made_anew_and_every_bell_rings() {
    let dir = tempfile::tempdir().unwrap();
    let mut redis = Machine::redis(dir.path()).await;
    let tower = Tower::new(redis.url(), redis.url(), "p:").await;
    let ids: BTreeSet<Uuid> = (0..300).map(|_| Uuid::new_v4()).collect();
    let mut bells: Vec<Bell> = ids.iter().map(|id| tower.bells.listen(channel(*id))).collect();
    join_all(bells.iter_mut().map(rung)).await;
    for _ in 0..3 {
        let killed: u32 =
            redis::cmd("CLIENT").arg(&["KILL", "TYPE", "pubsub"]).query_async(&mut tower.redis.clone()).await.unwrap();
        assert_eq!(killed, 1);
        // What happens meanwhile is not heard: that is why they ring.
        join_all(bells.iter_mut().map(rung)).await;
        assert_eq!(tower.subscribed().await, ids);
    }
    let url = redis.url().to_owned();
    redis.end("KILL").await;
    redis.start().await;
    assert_eq!(redis.url(), url, "it is where it was");
    join_all(bells.iter_mut().map(rung)).await;
}

#[tokio::test]
async fn a_redis_that_is_away_at_first_is_waited_for() {
    let world = World::new().await;
    let link = Link::to(&world.redis_url).await;
    link.cut();
    let tower = Tower::new(&world.redis_url, link.url(), &world.prefix).await;
    let mut bell = tower.bells.listen(channel(Uuid::new_v4()));
    link.mend();
    rung(&mut bell).await;
}

/// A wire to Redis whose first connection carries nothing more as soon as it is told so, and stays open.
async fn wire(redis_url: &str, deaf: watch::Receiver<bool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let far = redis_url.rsplit_once('@').unwrap().1.split('/').next().unwrap().to_owned();
    let url = redis_url.replace(&far, &listener.local_addr().unwrap().to_string());
    tokio::spawn(async move {
        for number in 0.. {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = TcpStream::connect(&far).await.unwrap();
            let mut deaf = deaf.clone();
            tokio::spawn(async move {
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
                    _ = deaf.wait_for(|deaf| *deaf && number == 0) => {}
                }
                std::future::pending::<()>().await;
            });
        }
    });
    url
}

#[tokio::test]
async fn a_connection_that_has_gone_deaf_is_noticed_from_the_beginning_and_later() {
    let world = World::new().await;
    for at_first in [true, false] {
        let deaf = watch::Sender::new(at_first);
        let url = wire(&world.redis_url, deaf.subscribe()).await;
        let tower = Tower::new(&world.redis_url, &url, &world.prefix).await;
        let id = Uuid::new_v4();
        let mut bell = tower.bells.listen(channel(id));
        rung(&mut bell).await;
        if !at_first {
            deaf.send_replace(true);
            // Nothing of this comes through, but it rings.
            tower.ring(id).await;
            rung(&mut bell).await;
        }
        until("it can be heard", async || tower.ring(id).await > 0).await;
        tokio::time::timeout(Duration::from_secs(5), bell.rung()).await.unwrap();
    }
}
