//! Pages of `GET /room`: by name, each room once, whatever happens meanwhile.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};

use super::*;
use crate::support::message;

#[tokio::test]
async fn a_room_is_told_with_its_number_of_messages_and_the_last_of_them() {
    let (world, node) = World::with_node().await;
    assert_eq!(page(&node, "").await.body, json!({ "rooms": [], "next_cursor": null, "has_more": false }));
    let first = node.say(message_in("b", "first")).await;
    let last = node.say(message_in("b", "last")).await;
    node.say(message("elsewhere")).await;
    let told = page(&node, "").await;
    assert_eq!(rooms(&told), [("b", 2), ("lobby", 1)]);
    assert_eq!(told.body["rooms"][0]["last_message"], node.get(&format!("/message/{last}")).await.body);
    let (deleted, nothing) = (node.send(Method::DELETE, &format!("/message/{last}"), None).await, Value::Null);
    assert_eq!((deleted.status, deleted.body), (StatusCode::NO_CONTENT, json!("")), "{nothing}");
    let told = page(&node, "").await;
    assert_eq!((rooms(&told)[0], &told.body["rooms"][0]["last_message"]["id"]), (("b", 1), &json!(first)));
    // Moved to another room, and then away: a room is there as long as a message is in it.
    world.sql("update messages set room = 'a' where room = 'b'").await;
    assert_eq!(rooms(&page(&node, "").await), [("a", 1), ("lobby", 1)]);
    world.sql("delete from messages where room = 'a'").await;
    assert_eq!(rooms(&page(&node, "").await), [("lobby", 1)]);
    world.sql("truncate messages").await;
    assert_eq!(rooms(&page(&node, "").await), []);
}

#[tokio::test]
async fn pages_of_any_size_hold_each_room_once_in_the_order_of_bytes() {
    let (world, node) = World::with_node().await;
    let mut names = ["a", "B", "_", ".", ":", "@", "-", "0", "a-b", "ab", "a_b", "A", "b", "z", "Z", "zz"];
    names.sort_unstable();
    world.sql(&names.map(|name| fill(name, 2)).concat()).await;
    for size in [1, 2, 3, 5, 15, 16, 17, 100] {
        assert_eq!(walk(&node, size, "").await, names, "in pages of {size}");
    }
    // The same from the counts.
    folded(&world).await;
    for size in [1, 5, 16] {
        assert_eq!(walk(&node, size, "").await, names, "in pages of {size}");
    }
    assert_eq!(rooms(&page(&node, "limit=2&cursor=a").await), [("a-b", 2), ("a_b", 2)]);
    assert_eq!(rooms(&page(&node, "limit=1&cursor=nobody").await), [("z", 2)]);
}

#[tokio::test]
async fn twenty_rooms_are_a_page() {
    let (world, node) = World::with_node().await;
    world.sql(&(10..35).map(|n| fill(&format!("r{n}"), 1)).collect::<String>()).await;
    let first = page(&node, "").await;
    assert_eq!((rooms(&first).len(), &first.body["next_cursor"]), (20, &json!("r29")));
    assert_eq!(rooms(&page(&node, "cursor=r29").await).len(), 5);
}

#[tokio::test]
async fn a_prefix_chooses_rooms_by_the_beginning_of_their_names() {
    let (world, node) = World::with_node().await;
    world
        .sql(
            &["team", "team-", "team-1", "team-z@", "teal", "teams", "tea", "u", "team_1"].map(|r| fill(r, 1)).concat(),
        )
        .await;
    for counted in [false, true] {
        if counted {
            folded(&world).await;
        }
        assert_eq!(walk(&node, 2, "&prefix=team-").await, ["team-", "team-1", "team-z@"]);
        assert_eq!(walk(&node, 3, "&prefix=team").await, ["team", "team-", "team-1", "team-z@", "team_1", "teams"]);
        assert_eq!(walk(&node, 3, "&prefix=team_").await, ["team_1"], "`_` is no wildcard");
        assert_eq!(walk(&node, 3, "&prefix=x").await, [] as [&str; 0]);
    }
}

#[tokio::test]
async fn rooms_that_are_gone_since_the_counts_were_kept_leave_no_hole_in_a_page() {
    let world = World::new().await;
    let node = world.node_with(&[("COUNT_EVERY", "20ms")]).await;
    world.sql(&["a", "b", "c", "d", "e", "f"].map(|name| fill(name, 2)).concat()).await;
    folded(&world).await;
    let mut session = world.session().await;
    let mut counting = session.begin().await.unwrap();
    counting.execute("select from feed.counted for update").await.unwrap();
    world.sql(&("delete from messages where room in ('a', 'b', 'd'); ".to_owned() + &fill("bb", 1))).await;
    assert_eq!(walk(&node, 2, "").await, ["bb", "c", "e", "f"]);
    assert_eq!(walk(&node, 3, "").await, ["bb", "c", "e", "f"]);
    counting.commit().await.unwrap();
    folded(&world).await;
    assert_eq!(walk(&node, 2, "").await, ["bb", "c", "e", "f"]);
}

#[tokio::test]
async fn writers_do_not_disturb_who_is_reading_pages() {
    let world = World::new().await;
    let node = world.node_with(&[("COUNT_EVERY", "5ms")]).await;
    let stay: Vec<String> = (100..160).map(|n| format!("stays-{n}")).collect();
    world.sql(&stay.iter().map(|room| fill(room, 1)).collect::<String>()).await;
    let pool = world.pool.clone();
    let writer = tokio::spawn(async move {
        for n in 0_u64.. {
            let room = format!("stays-{}-{}", 100 + n * 7 % 60, n % 5);
            let come =
                sqlx::query("insert into messages (room, content, sender_id) values ($1, 'x', gen_random_uuid())");
            come.bind(&room).execute(&pool).await.unwrap();
            let touch =
                sqlx::query("insert into messages (room, content, sender_id) values ($1, 'x', gen_random_uuid())");
            touch.bind(format!("stays-{}", 100 + n % 60)).execute(&pool).await.unwrap();
            let go = sqlx::query(
                "delete from messages where room like 'stays-%-%' and id < (select max(id) - 40 from messages)",
            );
            go.execute(&pool).await.unwrap();
        }
    });
    for _ in 0..5 {
        let mut seen = walk_any(&node, 7).await;
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "nothing twice: {seen:?}");
        assert!(seen.is_sorted(), "{seen:?}");
        seen.retain(|room| stay.contains(room));
        assert_eq!(seen, stay);
    }
    writer.abort();
}

/// All names, though pages may be short at their ends by what goes meanwhile.
async fn walk_any(node: &Node, size: usize) -> Vec<String> {
    let (mut all, mut query) = (Vec::new(), format!("limit={size}"));
    loop {
        let page = page(node, &query).await;
        all.extend(rooms(&page).iter().map(|(room, _)| (*room).to_owned()));
        let Some(cursor) = page.body["next_cursor"].as_str() else { return all };
        query = format!("limit={size}&cursor={cursor}");
    }
}

#[tokio::test]
async fn a_page_of_long_messages_ends_before_its_number_is_reached() {
    let world = World::new().await;
    let node = world.node_with(&[("MAX_PAGE", "1000B"), ("MAX_CONTENT", "5000B")]).await;
    for (n, length) in [300, 300, 300, 300, 5000, 999, 1, 1].into_iter().enumerate() {
        node.say(message_in(&format!("r{n}"), &"earlier".repeat(100))).await;
        node.say(message_in(&format!("r{n}"), &"x".repeat(length))).await;
    }
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = page(&node, &format!("limit=100{cursor}")).await;
        pages.push(rooms(&page).len());
        assert_eq!(page.body["has_more"].as_bool().unwrap(), page.body["next_cursor"].is_string());
        let Some(next) = page.body["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    // The one that is longer than a page has its own.
    assert_eq!(pages, [3, 1, 1, 2, 1]);
}

#[tokio::test]
async fn between_a_page_and_the_stream_from_its_position_lies_nothing() {
    let (_world, node) = World::with_node().await;
    let mut live = node.stream("").await;
    node.say(message("before")).await;
    live.next().await;
    let shown = page(&node, "").await;
    assert_eq!((rooms(&shown), shown.headers["feed-position"].to_str().unwrap()), (vec![("lobby", 1)], "1-1"));
    node.say(message("after")).await;
    let mut stream = node.open("?last_event_id=1-1", None).await;
    assert_eq!(stream.take(2).await[1].content(), "after");
}

#[tokio::test]
async fn two_nodes_tell_the_same() {
    let (world, one) = World::with_node().await;
    let two = world.node().await;
    for n in 0..20 {
        let (writer, reader) = if n % 2 == 0 { (&one, &two) } else { (&two, &one) };
        writer.say(message(&n.to_string())).await;
        assert_eq!(rooms(&page(reader, "").await), [("lobby", n + 1)], "as soon as it is written");
    }
}

/// In the order of most languages `a` comes before `B`, and signs count for nothing.
#[tokio::test]
async fn the_order_is_that_of_bytes_in_a_database_of_any_locale() {
    let world = World::new().await;
    let (server, name) = world.database_url.rsplit_once('/').unwrap();
    let mut admin = PgConnection::connect(&world.database_url).await.unwrap();
    let version: i32 =
        sqlx::query_scalar("select current_setting('server_version_num')::int").fetch_one(&mut admin).await.unwrap();
    // Before 15 a database has the locales of the machine, of which there may be one.
    if version < 150_000 {
        return;
    }
    let create = format!("create database {name}_en template template0 locale_provider icu icu_locale 'en-US'");
    admin.execute(sqlx::AssertSqlSafe(create)).await.unwrap();
    let url = format!("{server}/{name}_en");
    let node = world.node_with(&[("DATABASE_URL", &url), ("COUNT_EVERY", "20ms")]).await;
    let mut names = ["a", "B", "c-1", "c1", "c_", "C"];
    for room in names {
        node.say(message_in(room, "x")).await;
    }
    names.sort_unstable();
    let mut session = PgConnection::connect(&url).await.unwrap();
    let folded = "select sum(messages)::bigint = 6 from feed.room";
    until("they are counted", async || {
        sqlx::query_scalar::<_, Option<bool>>(folded).fetch_one(&mut session).await.unwrap() == Some(true)
    })
    .await;
    assert_eq!(walk(&node, 2, "").await, names);
    assert_eq!(walk(&node, 1, "&prefix=c").await, ["c-1", "c1", "c_"]);
}
