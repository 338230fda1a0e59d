//! `rowcast demo` posts a file of messages: all of them, each room in the file's order, or none if a line is wrong.

use std::{collections::HashMap, path::Path, process::Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Node, SENDER, World, soon};

/// Messages of several rooms and scripts, mixed.
fn messages() -> Vec<Value> {
    let texts = ["Hello, world", "新しいのを淹れます ☕", "مرحبا \"quoted\" \\ \n two lines"];
    let rooms = ["lobby", "kitchen", "garden:1"];
    let message = |n: usize| json!({ "room": rooms[n % 3], "content": format!("{n} {}", texts[n % 3]) });
    let mut messages: Vec<Value> = (0..45).map(message).collect();
    messages[7]["sender_id"] = json!(SENDER);
    messages
}

fn file(dir: &TempDir, lines: &[String]) -> std::path::PathBuf {
    let path = dir.path().join("messages.jsonl");
    std::fs::write(&path, lines.join("\n")).unwrap();
    path
}

async fn demo(url: &str, file: Option<&Path>, arguments: &[&str]) -> Output {
    let mut command = Node::command("demo");
    command.args(file).args(["--url", url]).args(arguments).kill_on_drop(true);
    soon("the demo ends", command.output()).await.unwrap()
}

async fn count(world: &World) -> i64 {
    sqlx::query_scalar("select count(*) from messages").fetch_one(&world.pool).await.unwrap()
}

#[tokio::test]
async fn a_file_is_posted_whole_and_each_room_in_its_order() {
    let (world, node) = World::with_node().await;
    let (dir, messages) = (TempDir::new().unwrap(), messages());
    // Empty lines, and a last line without its end, are of no account.
    let mut lines: Vec<String> = messages.iter().map(Value::to_string).collect();
    lines.insert(3, String::new());
    let mut stream = node.stream("").await;
    let output = demo(&node.url, Some(&file(&dir, &lines)), &[]).await;
    assert!(output.status.success(), "{output:?}");
    let summary = String::from_utf8(output.stdout).unwrap();
    assert!(summary.starts_with("posted 45 messages in 3 rooms in ") && summary.lines().count() == 1, "{summary}");
    let mut arrived: HashMap<String, Vec<String>> = HashMap::new();
    for event in stream.take(45).await {
        let room = event.data()["data"]["room"].as_str().unwrap().to_owned();
        arrived.entry(room).or_default().push(event.content());
    }
    for (room, contents) in arrived {
        let of_room = messages.iter().filter(|message| message["room"] == room);
        assert_eq!(contents, of_room.map(|message| message["content"].as_str().unwrap()).collect::<Vec<_>>());
    }
    let senders: i64 =
        sqlx::query_scalar("select count(distinct sender_id) from messages").fetch_one(&world.pool).await.unwrap();
    assert_eq!((count(&world).await, senders), (45, 2));
}

#[tokio::test]
async fn a_wrong_line_is_shown_where_it_is_and_nothing_is_posted() {
    let (world, node) = World::with_node().await;
    let dir = TempDir::new().unwrap();
    let good = json!({ "room": "a", "content": "b" }).to_string();
    for wrong in
        ["{\"room\": \"a\"}", "{\"room\": \"a\", \"content\": ", "[]", "{\"room\": \"a\", \"content\": 7}", "text"]
    {
        let path = file(&dir, &[good.clone(), String::new(), good.clone(), wrong.to_owned()]);
        let output = demo(&node.url, Some(&path), &[]).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{said}");
        assert!(said.contains(&format!("{}:4:", path.display())) && said.contains("not a message"), "{said}");
    }
    assert_eq!(count(&world).await, 0);
}

#[tokio::test]
async fn a_message_that_the_server_refuses_is_shown_with_its_place_and_the_reason() {
    let (_world, node) = World::with_node().await;
    let dir = TempDir::new().unwrap();
    let path = file(&dir, &[json!({ "room": "no such room", "content": "b" }).to_string()]);
    let output = demo(&node.url, Some(&path), &[]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains(&format!("{}:1", path.display())) && said.contains("room: must be"), "{said}");
}

#[tokio::test]
async fn without_a_file_there_is_a_sample_and_a_limit_holds() {
    let (world, node) = World::with_node().await;
    let output = demo(&node.url, None, &[]).await;
    assert!(output.status.success(), "{output:?}");
    let sample = count(&world).await;
    assert!(sample > 2);
    let output = demo(&node.url, None, &["--limit", "2", "--rate", "1000", "--connections", "1"]).await;
    assert!(output.stdout.starts_with(b"posted 2 messages "), "{output:?}");
    assert_eq!(count(&world).await, sample + 2);
}

#[tokio::test]
async fn without_a_server_or_a_file_it_says_so() {
    let nobody = demo("http://127.0.0.1:1", None, &[]).await;
    let said = String::from_utf8(nobody.stderr).unwrap();
    assert_eq!((nobody.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("no server answers at http://127.0.0.1:1"), "{said}");
    let nothing = demo("http://127.0.0.1:1", Some(Path::new("no-such-file")), &[]).await;
    assert_eq!(nothing.status.code(), Some(1));
    assert!(String::from_utf8(nothing.stderr).unwrap().contains("cannot open no-such-file"));
}
