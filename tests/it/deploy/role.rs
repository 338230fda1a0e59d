//! A node does all its work with the rights that `deploy/postgres` gives it, and has no others.

use std::path::Path;

use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::{AssertSqlSafe, Executor};

use crate::support::{Node, World, message, soon, until};

const PASSWORDS: [(&str, &str); 2] = [("OWNER_PASSWORD", "owner's"), ("APP_PASSWORD", "app's")];

/// Runs a file of `deploy/postgres` as its header says.
async fn psql(url: &str, file: &str) {
    let database = url.rsplit_once('/').unwrap().1;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/postgres").join(file);
    let mut psql = tokio::process::Command::new("psql");
    psql.args(["-X", "-q", "-v", &format!("database={database}"), "-f"]).arg(file).arg(url).envs(PASSWORDS);
    let output = soon("psql ends", psql.output()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// The address of this world's database for a role.
fn url_of(world: &World, role: &str, password: &str) -> String {
    let (_, server) = world.database_url.split_once('@').unwrap();
    format!("postgres://{role}:{password}@{server}")
}

fn app_of(world: &World) -> String {
    url_of(world, "rowcast_app", "app%27s")
}

/// A world where the two roles are, and no table yet. The roles are the server's, so those who make them take turns.
async fn with_roles() -> World {
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _turn = TURN.lock().await;
    let world = World::new().await;
    psql(&world.database_url, "roles.sql").await;
    world
}

/// The same with tables and grants.
async fn deployed() -> World {
    let world = with_roles().await;
    let owner = url_of(&world, "rowcast_owner", "owner%27s");
    let mut migrate = Node::command("migrate");
    migrate.env("DATABASE_URL", &owner).env("REDIS_URL", &world.redis_url).env("LOG", "warn");
    assert!(migrate.status().await.unwrap().success());
    psql(&owner, "grants.sql").await;
    world
}

/// A node that has the nodes' role.
async fn node(world: &World, settings: &[(&str, &str)]) -> Node {
    let url = app_of(world);
    let role = [("DATABASE_URL", url.as_str())];
    world.node_with(&[&role, settings].concat()).await
}

async fn leads(node: &Node) -> bool {
    node.get("/health").await.body["relay"]["leading"] == true
}

#[tokio::test]
async fn a_node_with_the_least_role_posts_streams_and_resumes() {
    let world = deployed().await;
    // A ring of one change: whoever resumes reads the log.
    let node = node(&world, &[("RING_CHANGES", "1")]).await;
    let mut stream = node.stream("").await;
    let id = node.say(message("alone")).await;
    let together = (0..50).map(|number| node.say(message(&number.to_string())));
    futures_util::future::join_all(together).await;
    let writes = world.number("select count(distinct xid) from feed.log").await;
    assert!(writes < 51, "each was written alone, as where ids may not be taken beforehand");
    // Ids that the sequence comes to only now: it must be moved past them.
    let taken =
        "insert into messages (id, content, sender_id) select n, 'x', gen_random_uuid() from generate_series(52, 54) n";
    world.sql(taken).await;
    node.say(message("past the ids that were taken")).await;
    let changed = node.send(Method::PATCH, &format!("/message/{id}"), Some(&json!({"content": "changed"}))).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
    let deleted = node.send(Method::DELETE, &format!("/message/{id}"), None).await;
    assert!(deleted.status.is_success(), "{}", deleted.body);
    assert_eq!(node.get("/message?limit=1").await.status, StatusCode::OK);
    assert_eq!(node.get("/health/ready").await.status, StatusCode::OK);

    assert_eq!(stream.take(57).await.last().unwrap().id, "1-57");
    let mut resumed = node.open("", Some("1-0")).await;
    assert_eq!(resumed.take(58).await.last().unwrap().id, "1-57");
}

#[tokio::test]
async fn a_node_with_the_least_role_trims_the_log() {
    let world = deployed().await;
    let node = node(&world, &[("RETENTION_CHANGES", "1"), ("TRIM_EVERY", "50ms")]).await;
    // The newest tick stays, and whatever came with it.
    until("the log is trimmed", async || {
        node.say(message("one more")).await;
        world.number("select count(*) - (select count(*) from feed.log) from messages").await > 0
    })
    .await;
}

#[tokio::test]
async fn a_node_with_the_least_role_counts_rooms() {
    let world = deployed().await;
    let node = node(&world, &[("COUNT_EVERY", "20ms")]).await;
    for counted in [1, 2] {
        node.say(message("one more")).await;
        let told = node.get("/room").await;
        assert_eq!(told.body["rooms"][0]["messages"], counted, "{}", told.body);
        let folded = "select coalesce(sum(messages), 0)::bigint from feed.room";
        until("they are folded", async || world.number(folded).await == counted).await;
    }
    world.sql("truncate messages").await;
    until("none is left", async || world.number("select count(*) from feed.room").await == 0).await;
}

#[tokio::test]
async fn a_node_with_the_least_role_takes_the_lead_from_one_that_stalls() {
    let world = deployed().await;
    let stalled = node(&world, &[("RELAY_STALLED", "2s")]).await;
    until("the first node leads", async || leads(&stalled).await).await;
    let other = node(&world, &[("RELAY_STALLED", "2s")]).await;
    stalled.signal("STOP");
    until("the other node leads", async || leads(&other).await).await;
    stalled.signal("CONT");
}

#[tokio::test]
async fn a_node_with_the_least_role_begins_a_new_generation() {
    let world = deployed().await;
    // As in a dump that was restored elsewhere: transaction ids mean something else, and the log is emptied.
    world.sql("update feed.tick set upto = '4000000000:4000000000:'").await;
    let node = node(&world, &[]).await;
    let began =
        async || node.get("/health").await.body["hub"]["head"].as_str().is_some_and(|head| head.starts_with("2-"));
    until("the node goes on in a new generation", began).await;
    let mut stream = node.stream("").await;
    node.say(message("told")).await;
    assert_eq!(stream.next().await.id, "2-1");
}

#[tokio::test]
async fn without_the_right_to_migrate_a_node_says_that_it_must_be_done() {
    let world = with_roles().await;
    let mut serve = Node::command("serve");
    serve.env("DATABASE_URL", app_of(&world)).env("REDIS_URL", &world.redis_url).env("PORT", "0");
    let output = soon("the node ends", serve.output()).await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("cannot be migrated"), "{said}");
}

#[tokio::test]
async fn the_role_of_a_node_can_neither_change_the_schema_nor_forge_the_feed() {
    let world = deployed().await;
    let app = sqlx::PgPool::connect(&app_of(&world)).await.unwrap();
    for forbidden in [
        "create table mine ()",
        "create temporary table mine ()",
        "drop table messages",
        "alter table messages disable trigger feed_insert",
        "set session_replication_role = replica",
        "truncate messages",
        "insert into feed.log (id, op) values (1, 't')",
        "update feed.tick set count = count",
        "delete from feed.generation",
        "drop schema feed cascade",
        "delete from _sqlx_migrations",
        "create role mine",
    ] {
        let error = app.execute(AssertSqlSafe(forbidden)).await.expect_err(forbidden);
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        assert_eq!(code.as_deref(), Some("42501"), "{forbidden}: {error}");
    }
}
