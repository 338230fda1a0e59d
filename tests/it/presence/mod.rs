//! Who is in a room, over HTTP: told on streams that ask for it, and read by whoever may read the room.

mod bounds;
mod coming;
mod feed;
mod nodes;
mod pages;
mod rights;
mod weather;
mod wires;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use crate::support::{Event, Events, Node, World, until};

/// Times that a test can wait for.
const QUICK: [(&str, &str); 3] = [("PRESENCE_GRACE", "1s"), ("PRESENCE_TTL", "3s"), ("PRESENCE_SWEEP", "100ms")];

/// A user of this number.
fn user(number: u64) -> String {
    Uuid::from_u64_pair(1 << 12, 1 << 63 | number).to_string()
}

/// The number of a user, where it is one of ours.
fn number(user: &str) -> String {
    let id = user.parse::<Uuid>().expect("a user of a test");
    (id.as_u64_pair().1 & !(1 << 63)).to_string()
}

/// A world, and a node in it whose users go quickly.
async fn quick() -> (World, Node) {
    let world = World::new().await;
    let node = world.node_with(&QUICK).await;
    (world, node)
}

/// The query of a stream that is told of these rooms.
fn watching(rooms: &[&str]) -> String {
    let rooms: Vec<String> = rooms.iter().map(|room| format!("room={room}")).collect();
    format!("?presence=true&{}", rooms.join("&"))
}

/// The query of the stream of a user who is in these rooms.
fn being(number: u64, rooms: &[&str]) -> String {
    format!("{}&user_id={}", watching(rooms), user(number))
}

/// What a page of a room says: how many are there, and each with its connections.
async fn there(node: &Node, room: &str) -> (u64, Vec<(String, u64)>) {
    let page = node.get(&format!("/room/{room}/presence?limit=1000")).await.body;
    let users = page["users"].as_array().unwrap_or_else(|| panic!("{page}")).iter();
    let each = users.map(|one| (number(one["user_id"].as_str().unwrap()), one["connections"].as_u64().unwrap()));
    (page["count"].as_u64().unwrap(), each.collect())
}

/// Waits until exactly these are in a room, each with so many connections.
#[track_caller]
fn until_there(node: &Node, room: &str, wanted: &[(u64, u64)]) -> impl Future<Output = ()> {
    let wanted: Vec<(String, u64)> = wanted.iter().map(|(number, count)| (number.to_string(), *count)).collect();
    until("they are there", async move || there(node, room).await == (wanted.len() as u64, wanted.clone()))
}

/// Who reads a stream, and keeps who is where, as it is told.
struct Reader {
    stream: Events,
    rooms: BTreeMap<String, BTreeSet<String>>,
    /// The rooms of which more of the same reading is to come, and how many are there after it.
    amid: BTreeMap<String, u64>,
}

impl Reader {
    /// Attached when this returns.
    async fn open(node: &Node, query: &str) -> Self {
        Self::of(node.stream(query).await)
    }

    /// The same with a token.
    async fn open_as(node: &Node, token: &str, query: &str) -> Self {
        Self::of(node.stream_as(token, query).await)
    }

    fn of(stream: Events) -> Self {
        Self { stream, rooms: BTreeMap::new(), amid: BTreeMap::new() }
    }

    /// The next event of presence, in short: `a = 1 2` for who is there, `a +1` and `a -1` for who comes and goes.
    /// Whatever it says must follow from what was said before.
    async fn next(&mut self) -> String {
        let event = self.stream.next().await;
        self.take(&event)
    }

    fn take(&mut self, event: &Event) -> String {
        let event = event.data();
        let (kind, data) = (event["type"].as_str().unwrap(), &event["data"]);
        let text = |name: &str| data[name].as_str().unwrap_or_else(|| panic!("no {name} in {event}")).to_owned();
        let room = text("room");
        let known = self.rooms.get_mut(&room);
        let said = match (kind, known) {
            ("presence", _) => {
                let users = names(&data["users"]);
                let said = format!("{room} = {}", users.iter().cloned().collect::<Vec<_>>().join(" "));
                self.rooms.insert(room.clone(), users);
                said
            }
            ("user_joined", Some(known)) => {
                let user = number(&text("user_id"));
                assert!(known.insert(user.clone()), "was there before: {event}");
                format!("{room} +{user}")
            }
            ("user_left", Some(known)) => {
                let user = number(&text("user_id"));
                assert!(known.remove(&user), "was not there: {event}");
                format!("{room} -{user}")
            }
            _ => panic!("no presence, or before the state of its room: {event}"),
        };
        // All changes that were read together have the number after all of them: the same until it is right.
        let count = data["count"].as_u64().unwrap();
        let amid = self.amid.remove(&room).filter(|_| kind != "presence");
        assert!(amid.is_none_or(|amid| amid == count), "{event}");
        if count != self.rooms[&room].len() as u64 {
            assert_ne!(kind, "presence", "{event}");
            self.amid.insert(room, count);
        }
        said
    }

    /// Reads on until exactly these are in a room; what was told on the way.
    #[track_caller]
    fn until(&mut self, room: &str, users: &[u64]) -> impl Future<Output = Vec<String>> {
        let users: BTreeSet<String> = users.iter().map(u64::to_string).collect();
        async move {
            let mut told = Vec::new();
            while self.rooms.get(room) != Some(&users) {
                told.push(self.next().await);
            }
            told
        }
    }
}

/// Whom a state names.
fn names(users: &Value) -> BTreeSet<String> {
    users.as_array().expect("users").iter().map(|user| number(user.as_str().unwrap())).collect()
}
