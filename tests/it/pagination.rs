//! Pages of `GET /message`: newest first, and every message that was there exactly once, whatever happens meanwhile.

use std::collections::HashSet;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Answer, Events, Node, SENDER, World, message, message_in, until};

#[tokio::test]
async fn the_newest_come_first_twenty_at_a_time() {
    let (world, node) = World::with_node().await;
    world.sql(&rows(45, "now() - n * interval '1 second'")).await;
    let first = page(&node, "").await;
    assert_eq!(ids(&first), (1..=20).collect::<Vec<_>>());
    assert_eq!(first.body["has_more"], true);
    let cursor = first.body["next_cursor"].as_str().unwrap();
    let last_shown = &first.body["messages"][19];
    assert_eq!(cursor, format!("{}_20", last_shown["created_date"].as_str().unwrap()));
    assert_eq!(ids(&page(&node, &format!("cursor={cursor}")).await), (21..=40).collect::<Vec<_>>());
}

#[tokio::test]
async fn equal_timestamps_lose_nothing_and_repeat_nothing_in_pages_of_any_size() {
    let (world, node) = World::with_node().await;
    // Three transactions, each with one `now()` for all its rows.
    for count in [31, 1, 17] {
        world.sql(&rows(count, "now()")).await;
    }
    let all: Vec<i64> = (1..=49).rev().collect();
    for size in [1, 2, 3, 4, 5, 6, 7, 49, 100] {
        assert_eq!(walk(&node, size, "").await, all, "in pages of {size}");
    }
}

#[tokio::test]
async fn at_the_exact_end_there_is_no_more() {
    let (world, node) = World::with_node().await;
    let nothing = page(&node, "").await;
    assert_eq!(nothing.body, json!({ "messages": [], "next_cursor": null, "has_more": false }));
    world.sql(&rows(6, "now()")).await;
    for (limit, more) in [(5, true), (6, false), (7, false)] {
        let page = page(&node, &format!("limit={limit}")).await;
        assert_eq!(page.body["has_more"], more, "of 6 with limit {limit}");
        assert_eq!(page.body["next_cursor"].is_string(), more);
    }
    let first = page(&node, "limit=3").await;
    let last = page(&node, &format!("limit=3&cursor={}", first.body["next_cursor"].as_str().unwrap())).await;
    assert_eq!(
        (ids(&last), &last.body["has_more"], &last.body["next_cursor"]),
        (vec![3, 2, 1], &json!(false), &Value::Null)
    );
}

#[tokio::test]
async fn writers_do_not_disturb_who_is_reading_pages() {
    let (world, node) = World::with_node().await;
    world.sql(&rows(60, "now() - interval '1 hour' + n % 4 * interval '1 minute'")).await;
    let there: Vec<i64> = page(&node, "limit=100").await.body["messages"].as_array().unwrap().iter().map(id).collect();
    let writer = tokio::spawn(write_without_end(world.pool.clone()));
    let mut seen = Vec::new();
    let mut query = "limit=7".to_owned();
    loop {
        let page = page(&node, &query).await;
        seen.extend(ids(&page));
        // One more, newer and older than all, and one inside of what is still to be read.
        world.sql(&rows(1, "now()")).await;
        world.sql(&rows(1, "now() - interval '2 hours'")).await;
        world.sql(&rows(1, "now() - interval '58 minutes 30 seconds'")).await;
        let Some(cursor) = page.body["next_cursor"].as_str() else { break };
        query = format!("limit=7&cursor={cursor}");
    }
    writer.abort();
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), seen.len(), "nothing twice");
    seen.retain(|id| *id <= 60);
    assert_eq!(seen, there);
}

#[tokio::test]
async fn a_page_goes_on_after_a_message_that_was_deleted_meanwhile() {
    let (world, node) = World::with_node().await;
    world.sql(&rows(9, "now()")).await;
    let first = page(&node, "limit=4").await;
    world.sql("delete from messages where id in (6, 5)").await;
    let cursor = first.body["next_cursor"].as_str().unwrap();
    assert_eq!(ids(&page(&node, &format!("cursor={cursor}")).await), [4, 3, 2, 1]);
}

#[tokio::test]
async fn a_bare_timestamp_means_strictly_older() {
    let (world, node) = World::with_node().await;
    world.sql(&rows(3, "timestamptz '2024-01-01 12:00:00.000001+00' - n / 2 * interval '1 microsecond'")).await;
    world.sql(&rows(1, "timestamptz '2024-01-01 12:00:00.000001+00'")).await;
    // 1 and 4 are at …01, 2 and 3 at …00.
    for (cursor, older) in [
        ("2024-01-01T12:00:00.000002Z", vec![4, 1, 3, 2]),
        ("2024-01-01T12:00:00.000001Z", vec![3, 2]),
        ("2024-01-01T12:00:00.0000010Z", vec![3, 2]),
        ("2024-01-01T14:00:00.000001%2B02:00", vec![3, 2]),
        ("2024-01-01T14:00:00.000001+02:00", vec![3, 2]),
        ("2024-01-01T06:30:00.000001-05:30", vec![3, 2]),
        ("2024-01-01T12:00:00Z", vec![]),
        ("9999-12-31T23:59:59.999999-23:59", vec![4, 1, 3, 2]),
        ("0000-01-01T00:00:00Z", vec![]),
        ("2024-01-01T12:00:00.000001Z_4", vec![1, 3, 2]),
        ("2024-01-01T12:00:00.000001Z_-9223372036854775808", vec![3, 2]),
        ("2024-01-01T12:00:00.000001Z_9223372036854775807", vec![4, 1, 3, 2]),
    ] {
        assert_eq!(ids(&page(&node, &format!("cursor={cursor}")).await), older, "{cursor}");
    }
}

#[tokio::test]
async fn a_timestamp_finer_than_a_microsecond_passes_over_nothing_that_is_older() {
    let (world, node) = World::with_node().await;
    world.sql(&rows(1, "timestamptz '2024-01-01 12:00:00.000001+00'")).await;
    assert_eq!(ids(&page(&node, "cursor=2024-01-01T12:00:00.000001500Z").await), [1]);
    assert_eq!(ids(&page(&node, "cursor=2024-01-01T12:00:00.000001000Z").await), [] as [i64; 0]);
}

#[tokio::test]
async fn filters_hold_on_every_page() {
    let (world, node) = World::with_node().await;
    let other = "99999999-9999-4999-8999-999999999999";
    world
        .sql(&format!(
            "insert into messages (content, sender_id, room)
             select 'x', case when n % 3 = 0 then '{other}' else '{SENDER}' end::uuid, case when n % 2 = 0 then 'a' else 'b' end
               from generate_series(1, 36) n"
        ))
        .await;
    let matching = |wanted: fn(i64) -> bool| (1..=36).rev().filter(|n| wanted(*n)).collect::<Vec<_>>();
    for size in [1, 4, 5, 100] {
        assert_eq!(walk(&node, size, "&room=a").await, matching(|n| n % 2 == 0));
        assert_eq!(walk(&node, size, &format!("&sender_id={other}")).await, matching(|n| n % 3 == 0));
        assert_eq!(walk(&node, size, &format!("&sender_id={other}&room=b")).await, matching(|n| n % 6 == 3));
        assert_eq!(walk(&node, size, "&room=nobody").await, [] as [i64; 0]);
    }
}

#[tokio::test]
async fn between_a_page_and_the_stream_from_its_position_lies_nothing() {
    let (world, one) = World::with_node().await;
    let two = world.node().await;
    one.say(message("before")).await;
    let shown = page(&one, "").await;
    let position = shown.headers["feed-position"].to_str().unwrap().to_owned();
    one.say(message("between")).await;
    for node in [&one, &two] {
        let mut stream = node.open(&format!("?last_event_id={position}"), None).await;
        assert_eq!(stream.next().await.kind(), "connected");
        let contents: Vec<String> = up_to(&mut stream, "between").await;
        // The page may have been read before the feed came so far; then the stream tells of it once more.
        assert!(contents == ["before", "between"] || contents == ["between"], "{contents:?}");
    }
}

#[tokio::test]
async fn a_page_and_its_stream_hold_all_that_a_busy_writer_writes() {
    let (world, node) = World::with_node().await;
    let pool = world.pool.clone();
    let writer = tokio::spawn(async move {
        for n in 0..90 {
            insert(&pool, &n.to_string()).await;
        }
        insert(&pool, "last").await;
    });
    until("the writer is at work", async || page(&node, "").await.body["messages"] != json!([])).await;
    let shown = page(&node, "limit=100").await;
    let position = shown.headers["feed-position"].to_str().unwrap();
    let mut stream = node.open(&format!("?last_event_id={position}"), None).await;
    assert_eq!(stream.next().await.kind(), "connected");
    let mut seen: HashSet<String> = up_to(&mut stream, "last").await.into_iter().collect();
    writer.await.unwrap();
    seen.extend(shown.body["messages"].as_array().unwrap().iter().map(|m| m["content"].as_str().unwrap().to_owned()));
    assert_eq!(seen.len(), 91);
}

/// Statements that insert this many rows, numbered by `n`, in one transaction.
fn rows(count: usize, created_date: &str) -> String {
    format!(
        "insert into messages (content, sender_id, created_date)
         select 'row', '{SENDER}', {created_date} from generate_series(1, {count}) n"
    )
}

async fn insert(pool: &sqlx::PgPool, content: &str) {
    let row = sqlx::query("insert into messages (content, sender_id) values ($1, gen_random_uuid())").bind(content);
    row.execute(pool).await.unwrap();
}

async fn write_without_end(pool: sqlx::PgPool) {
    loop {
        insert(&pool, "newer").await;
    }
}

async fn page(node: &Node, query: &str) -> Answer {
    let page = node.get(&format!("/message?{query}")).await;
    assert_eq!(page.status, StatusCode::OK, "{query}: {}", page.body);
    page
}

fn id(message: &Value) -> i64 {
    message["id"].as_i64().unwrap()
}

fn ids(page: &Answer) -> Vec<i64> {
    page.body["messages"].as_array().unwrap().iter().map(id).collect()
}

/// All messages in pages of this size: each is full but the last.
async fn walk(node: &Node, size: usize, filter: &str) -> Vec<i64> {
    let (mut all, mut query) = (Vec::new(), format!("limit={size}{filter}"));
    loop {
        let page = page(node, &query).await;
        all.extend(ids(&page));
        let Some(cursor) = page.body["next_cursor"].as_str() else {
            assert_eq!(page.body["has_more"], false);
            return all;
        };
        assert_eq!((ids(&page).len(), &page.body["has_more"]), (size, &json!(true)));
        query = format!("limit={size}{filter}&cursor={cursor}");
    }
}

/// The contents that a stream tells of, up to this one.
async fn up_to(stream: &mut Events, last: &str) -> Vec<String> {
    let mut contents = Vec::new();
    while contents.last().is_none_or(|content| content != last) {
        contents.push(stream.next().await.content());
    }
    contents
}

#[tokio::test]
async fn a_page_of_long_messages_ends_before_its_number_is_reached() {
    let world = World::new().await;
    let node = world.node_with(&[("MAX_PAGE", "1000B"), ("MAX_CONTENT", "5000B")]).await;
    let lengths = [300, 300, 300, 300, 5000, 999, 1, 1, 300, 300];
    for length in lengths {
        node.say(message_in("a", &"x".repeat(length))).await;
        node.say(message_in("b", "not of these")).await;
    }
    for filter in ["&room=a", &format!("&room=a&sender_id={SENDER}")] {
        let (mut pages, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = node.get(&format!("/message?limit=100{filter}{cursor}")).await.body;
            let contents = page["messages"].as_array().unwrap().iter();
            pages.push(contents.map(|message| message["content"].as_str().unwrap().len()).collect::<Vec<_>>());
            assert_eq!(page["has_more"].as_bool().unwrap(), page["next_cursor"].is_string(), "{page}");
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        // Newest first; the one that is longer than a page has its own.
        assert_eq!(pages, [vec![300, 300, 1, 1], vec![999], vec![5000], vec![300, 300, 300], vec![300]], "{filter}");
    }
}
