//! Whoever comes, goes, dies and returns, in whatever order: in the end every watcher knows who is there, and on the
//! way everybody comes and goes by turns, and nobody goes who has stayed.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use rowcast::presence::{Here, Options, What};
use tokio::runtime::Runtime;

use super::house::{HASTY, House, Node, Watcher};
use crate::support::until;

const ROOMS: [&str; 2] = ["a", "b"];
const USERS: [&str; 4] = ["ann", "bob", "eve", "a b"];
const NODES: usize = 3;

/// Who stays all the time, at the first node, which never dies.
const STAYS: &str = "zoe";

fn options() -> Options {
    Options { ttl: Duration::from_millis(1200), grace: Duration::from_millis(80), listed: 100, buffer: 3, ..HASTY }
}

/// What is done. Numbers are places among those that are there.
#[derive(Debug, Clone)]
enum Act {
    Enter {
        node: usize,
        room: usize,
        user: usize,
    },
    Leave(usize),
    Drop(usize),
    Watch {
        node: usize,
        room: usize,
    },
    Unwatch(usize),
    /// What has been told is heard, by one who watches.
    Hear(usize),
    Die(usize),
    Stop(usize),
    /// A wire is cut, and mended.
    Cut(usize),
    Pass(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let any = 0..100_usize;
    let act = prop_oneof![
        10 => (0..NODES, 0..ROOMS.len(), 0..USERS.len()).prop_map(|(node, room, user)| Act::Enter { node, room, user }),
        4 => any.clone().prop_map(Act::Leave),
        4 => any.clone().prop_map(Act::Drop),
        3 => (0..NODES, 0..ROOMS.len()).prop_map(|(node, room)| Act::Watch { node, room }),
        1 => any.clone().prop_map(Act::Unwatch),
        4 => any.prop_map(Act::Hear),
        1 => (1..NODES).prop_map(Act::Die),
        1 => (1..NODES).prop_map(Act::Stop),
        1 => (0..NODES).prop_map(Act::Cut),
        6 => (1..120_u64).prop_map(Act::Pass),
    ];
    prop::collection::vec(act, 1..40)
}

/// One who is there.
struct Guest {
    here: Here,
    node: usize,
    room: usize,
    user: &'static str,
}

struct Play {
    house: House,
    nodes: Vec<Node>,
    guests: Vec<Guest>,
    /// At which node, and of which room.
    watchers: Vec<(usize, usize, Watcher)>,
}

impl Play {
    async fn new() -> Self {
        let house = House::new().await;
        let nodes: [Node; NODES] = house.nodes(options()).await;
        let mut play = Self { house, nodes: nodes.into(), guests: Vec::new(), watchers: Vec::new() };
        for (room, name) in ROOMS.iter().enumerate() {
            let here = play.nodes[0].presence.enter(name, STAYS);
            play.guests.push(Guest { here, node: 0, room, user: STAYS });
            for node in 0..NODES {
                let mut watcher = play.nodes[node].watch(name);
                watcher.sees(&[STAYS]).await;
                play.watchers.push((node, room, watcher));
            }
        }
        play
    }

    /// A guest, but for those who stay.
    fn guest(&mut self, place: usize) -> Option<Guest> {
        let most = self.guests.len() - ROOMS.len();
        (most > 0).then(|| self.guests.remove(ROOMS.len() + place % most))
    }

    async fn act(&mut self, act: &Act) {
        match *act {
            Act::Enter { node, room, user } => {
                let user = USERS[user];
                let here = self.nodes[node].presence.enter(ROOMS[room], user);
                self.guests.push(Guest { here, node, room, user });
            }
            Act::Leave(place) => self.guest(place).into_iter().for_each(|guest| guest.here.leave()),
            Act::Drop(place) => drop(self.guest(place)),
            Act::Watch { node, room } => {
                let watcher = self.nodes[node].watch(ROOMS[room]);
                self.watchers.push((node, room, watcher));
            }
            Act::Unwatch(place) => drop(self.watchers.remove(place % self.watchers.len())),
            Act::Hear(place) => {
                let place = place % self.watchers.len();
                hear(&mut self.watchers[place].2);
            }
            Act::Die(node) => self.replace(node).await.die().await,
            Act::Stop(node) => self.replace(node).await.stop().await,
            Act::Cut(node) => {
                self.nodes[node].link.cut();
                self.nodes[node].link.mend();
            }
            Act::Pass(milliseconds) => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
        }
        if self.watchers.is_empty() {
            self.watchers.push((0, 0, self.nodes[0].watch(ROOMS[0])));
        }
    }

    /// Another node comes in the place of one that goes, with all who are there and all who watch.
    async fn replace(&mut self, node: usize) -> Node {
        self.guests.retain(|guest| guest.node != node);
        self.watchers.retain(|(at, ..)| *at != node);
        let next = self.house.node(options()).await;
        std::mem::replace(&mut self.nodes[node], next)
    }

    /// Nothing more is done: all watchers come to know who is there.
    async fn rest(&mut self) {
        for node in &self.nodes {
            for (room, name) in ROOMS.iter().enumerate() {
                self.watchers.push((0, room, node.watch(name)));
            }
        }
        for (_, room, watcher) in &mut self.watchers {
            let there: BTreeSet<&str> =
                self.guests.iter().filter(|guest| guest.room == *room).map(|guest| guest.user).collect();
            let there: Vec<&str> = there.into_iter().collect();
            until("a watcher knows who is there", async || {
                hear(watcher);
                watcher.users.is_some() && watcher.names() == there
            })
            .await;
        }
        for (room, name) in ROOMS.iter().enumerate() {
            let count = self.guests.iter().filter(|guest| guest.room == room).count() as u64;
            let whole = async || self.nodes[0].list(name).await.values().sum::<u64>() == count;
            until("every connection is counted, and no other", whole).await;
        }
        for (_, _, watcher) in &mut self.watchers {
            hear(watcher);
        }
    }
}

/// Hears all that has been told.
fn hear(watcher: &mut Watcher) {
    while let Some(told) = futures_util::FutureExt::now_or_never(watcher.watch.next()) {
        watcher.learn(&told.what);
        if let What::Left { user, .. } = &told.what {
            assert_ne!(&**user, STAYS, "nobody goes who has stayed");
        }
    }
}

#[test]
fn in_the_end_every_watcher_knows_who_is_there_and_everybody_comes_and_goes_by_turns() {
    let runtime = Runtime::new().unwrap();
    let config = Config { cases: 3, failure_persistence: None, max_shrink_iters: 20, ..Config::default() };
    // Several at once: most of the time is waited.
    let run = |plays: Vec<Vec<Act>>| {
        runtime.block_on(join_all(plays.into_iter().map(|acts| async move {
            let mut play = Play::new().await;
            for act in &acts {
                play.act(act).await;
            }
            play.rest().await;
        })));
        Ok(())
    };
    TestRunner::new(config).run(&prop::collection::vec(acts(), 6), run).unwrap();
}
