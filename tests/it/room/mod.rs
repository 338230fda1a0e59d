//! Rooms: which there are, who may see them, and how many messages each holds, exactly, whatever happens meanwhile.

mod alias;
mod anew;
mod backlog;
mod exact;
mod late;
mod pages;
mod refusals;
mod rights;

use reqwest::StatusCode;
use serde_json::Value;
use sqlx::{PgExecutor, Row};

use crate::support::{Answer, Node, SENDER, World, message_in, until};

/// The statement that the program reads a page with.
const PAGE: &str = include_str!("../../../src/store/room/page.sql");

/// A page that is answered.
async fn page(node: &Node, query: &str) -> Answer {
    let page = node.get(&format!("/room?{query}")).await;
    assert_eq!(page.status, StatusCode::OK, "{query}: {}", page.body);
    page
}

/// The rooms of a page with their numbers of messages.
fn rooms(page: &Answer) -> Vec<(&str, i64)> {
    let rooms = page.body["rooms"].as_array().unwrap().iter();
    rooms.map(|room| (room["room"].as_str().unwrap(), room["messages"].as_i64().unwrap())).collect()
}

/// All rooms' names, in pages of this size: each is full but the last.
async fn walk(node: &Node, size: usize, filter: &str) -> Vec<String> {
    let (mut all, mut query) = (Vec::new(), format!("limit={size}{filter}"));
    loop {
        let page = page(node, &query).await;
        all.extend(rooms(&page).iter().map(|(room, _)| (*room).to_owned()));
        assert!(all.is_sorted_by(|one, next| one < next), "{all:?}");
        let Some(cursor) = page.body["next_cursor"].as_str() else {
            assert_eq!(page.body["has_more"], false);
            return all;
        };
        assert_eq!((rooms(&page).len(), &page.body["has_more"]), (size, &Value::Bool(true)));
        query = format!("limit={size}{filter}&cursor={cursor}");
    }
}

/// A statement that inserts so many messages into a room.
fn fill(room: &str, count: usize) -> String {
    format!(
        "insert into messages (room, content, sender_id) select '{room}', n::text, '{SENDER}' from generate_series(1, {count}) n;"
    )
}

/// Rooms whose number in a page is not that of their rows, both seen at the same instant.
async fn wrong(database: impl PgExecutor<'_>) -> Vec<String> {
    let compare = format!(
        "select coalesce(told.room, there.room) || ': told ' || coalesce(told.messages, 0) || ', there '
                || coalesce(there.messages, 0)
           from ({PAGE}) told
           full join (select room, count(*) as messages from messages group by room) there on there.room = told.room
          where told.messages is distinct from there.messages"
    );
    let compare = sqlx::query(sqlx::AssertSqlSafe(compare)).bind(vec![""]).bind(vec!["~"]).bind(vec!["%"]);
    let compare = compare.bind("").bind("").bind(10_000_i64).bind(i64::MAX);
    compare.fetch_all(database).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Whether the counts are of use.
async fn counted(world: &World) -> bool {
    sqlx::query_scalar("select feed.counts_hold()").fetch_one(&world.pool).await.unwrap()
}

/// Waits until all has been folded into the counts.
async fn folded(world: &World) {
    let head = "select c.position - (t.first_position + t.count - 1)
        from feed.counted c, (select * from feed.tick order by tick desc limit 1) t";
    let log = "select count(*) from feed.uncounted()";
    until("the counts are at the head", async || {
        counted(world).await && world.number(head).await == 0 && world.number(log).await == 0
    })
    .await;
}
