//! `GET /room/{room}/presence`: everybody once, in order, a page at a time, whatever is given as cursor.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use reqwest::Url;

use super::{QUICK, being, number, quick, user};
use crate::support::{Answer, Events, Node, World, until};

/// A page of a room, after a cursor of any kind.
async fn page(node: &Node, room: &str, cursor: Option<&str>, limit: usize) -> Answer {
    let mut url = Url::parse(&format!("{}/room/{room}/presence?limit={limit}", node.url)).unwrap();
    if let Some(cursor) = cursor {
        url.query_pairs_mut().append_pair("cursor", cursor);
    }
    Answer::of(node.http.get(url)).await
}

/// Whom a page names.
fn users(page: &Answer) -> Vec<String> {
    let users = page.body["users"].as_array().unwrap_or_else(|| panic!("{}", page.body)).iter();
    users.map(|one| one["user_id"].as_str().unwrap().to_owned()).collect()
}

/// All pages from the first one: how many there were, and whom they named.
async fn all(node: &Node, room: &str, limit: usize) -> (usize, Vec<String>) {
    let (mut named, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = page(node, room, cursor.as_deref(), limit).await;
        pages += 1;
        let here = users(&page);
        assert_eq!(page.body["room"], room);
        assert_eq!(page.body["has_more"], page.body["next_cursor"].is_string());
        assert!(here.len() == limit || page.body["has_more"] == false, "a page in the middle is full");
        named.extend(here);
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return (pages, named),
        }
    }
}

/// So many users in a room, on these nodes in turn.
async fn crowd(nodes: &[Node], room: &str, count: u64) -> Vec<Events> {
    let streams = stream::iter(1..=count).map(|number| {
        let node = &nodes[number as usize % nodes.len()];
        async move { node.open(&being(number, &[room]), None).await }
    });
    streams.buffer_unordered(50).collect().await
}

#[tokio::test]
async fn hundreds_of_users_are_all_named_once_in_order_whatever_the_page() {
    const COUNT: u64 = 350;
    let world = World::new().await;
    // What they are told of one another is none of this test's business.
    let settings = [("PRESENCE_MAX_LISTED", "10")];
    let nodes = [world.node_with(&settings).await, world.node_with(&settings).await];
    let _crowd = crowd(&nodes, "a", COUNT).await;
    let _second = nodes[0].stream(&being(7, &["a"])).await;
    until("all are there", async || nodes[0].get("/room/a/presence").await.body["count"] == COUNT).await;
    let everybody: Vec<String> = (1..=COUNT).map(user).collect();
    for (node, limit, pages) in [(0, 1000, 1), (1, 350, 1), (0, 349, 2), (1, 100, 4), (0, 7, 50)] {
        assert_eq!(all(&nodes[node], "a", limit).await, (pages, everybody.clone()), "limit={limit}");
    }
    let first = nodes[1].get("/room/a/presence").await;
    assert_eq!((users(&first).len(), &first.body["count"]), (100, &COUNT.into()), "where nothing is said");
    until("both connections of one are counted", async || {
        let page = nodes[1].get("/room/a/presence").await.body;
        page["users"][6]["connections"] == 2 && page["users"][7]["connections"] == 1
    })
    .await;
    assert_eq!(nodes[0].get("/room/b/presence").await.body["count"], 0, "another room");
}

#[tokio::test]
async fn any_text_is_a_place_among_the_names() {
    let (_world, node) = quick().await;
    let _crowd = crowd(std::slice::from_ref(&node), "a", 20).await;
    until("all are there", async || node.get("/room/a/presence").await.body["count"] == 20).await;
    let before = ["", " ", "\0", "(", "+", "-", "-inf", "+inf", "*", "%", "\r\nDEL", "0", "00000000-0000-1000-8000-"];
    let long = "z".repeat(4000);
    let after = ["[", "x", "~", "\u{1f980}", "\u{10ffff}", "zz\0", &long];
    for cursor in before {
        assert_eq!(users(&page(&node, "a", Some(cursor), 100).await).len(), 20, "{cursor:?}");
    }
    for cursor in after {
        let page = page(&node, "a", Some(cursor), 100).await;
        assert_eq!((users(&page).len(), &page.body["count"], &page.body["has_more"]), (0, &20.into(), &false.into()));
    }
    // One who has gone meanwhile, or has never been there, is a place as well.
    let middle = page(&node, "a", Some(&format!("{}!", user(5))), 100).await;
    assert_eq!(users(&middle), (6..=20).map(user).collect::<Vec<_>>());
    let raw = node.get("/room/a/presence?cursor=%FF%00%zz&limit=3").await;
    assert!(users(&raw).len() <= 3);
}

#[tokio::test]
async fn who_comes_and_goes_meanwhile_moves_nobody_else() {
    let (_world, node) = quick().await;
    let mut crowd = crowd(std::slice::from_ref(&node), "a", 40).await;
    until("all are there", async || node.get("/room/a/presence").await.body["count"] == 40).await;
    let first = page(&node, "a", None, 10).await;
    // Which of them these are does not matter.
    crowd.truncate(20);
    let _come = crowd_of(&node, &[41, 42]).await;
    until("some have come, and some have gone", async || node.get("/room/a/presence").await.body["count"] == 22).await;
    let now: BTreeSet<String> = users(&page(&node, "a", None, 1000).await).into_iter().collect();
    let second = page(&node, "a", first.body["next_cursor"].as_str(), 1000).await;
    let last = users(&first).pop().unwrap();
    let rest: Vec<String> = now.into_iter().filter(|user| *user > last).collect();
    assert_eq!(users(&second), rest);
    assert!(rest.iter().any(|user| number(user) == "42"));
}

async fn crowd_of(node: &Node, numbers: &[u64]) -> Vec<Events> {
    let mut streams = Vec::new();
    for number in numbers {
        streams.push(node.stream(&being(*number, &["a"])).await);
    }
    streams
}

#[tokio::test]
async fn nobody_is_in_a_room_of_which_nobody_has_heard() {
    let world = World::new().await;
    let node = world.node_with(&QUICK).await;
    let page = node.get("/room/nowhere/presence").await;
    let empty = serde_json::json!({
        "room": "nowhere", "count": 0, "users": [], "next_cursor": null, "has_more": false
    });
    assert_eq!(page.body, empty);
}
