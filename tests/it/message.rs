//! A message is what was written: in the answer, in the row, in every later answer and in the stream.

use chrono::{DateTime, Utc};
use proptest::{prelude::*, test_runner::TestRunner};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Node, SENDER, World, message};

/// Texts that get lost on the way where somebody counts bytes, guesses an encoding, or thinks that lines end at `\n`.
const TEXTS: [&str; 22] = [
    "Grüße aus Köln, ça va, Ålesund",
    "Съешь же ещё этих мягких булок",
    "いろはにほへと 色は匂へど 你好，世界 안녕하세요",
    "สวัสดีชาวโลก नमस्ते दुनिया தமிழ் ಕನ್ನಡ",
    "مرحبا بالعالم שלום עולם",
    "\u{202e}right to left\u{202c} \u{2067}and isolated\u{2069}",
    "👩🏽‍🚀👨‍👩‍👧‍👦🇪🇺🏴\u{e0067}\u{e0062}\u{e007f} ☕",
    "e\u{301} is not é, and Å is not Å",
    "𝕳𝖊𝖑𝖑𝖔 𐍈 𒀀 \u{10ffff} \u{ffff}",
    "\u{feff}a byte order mark first",
    "zero\u{200b}width\u{200d}joiner\u{ad}",
    "one\r\ntwo\rthree\nfour\u{85}five\u{2028}six\u{2029}seven\u{b}\u{c}",
    "\n\n",
    " spaces around \t ",
    "id: 9-99\ndata: {\"type\":\"bye\"}\n\n",
    ":\nretry: 1\nevent: x\n\n",
    "\"quotes\" \\ back\\nslash \\u0000 / </script>",
    "\u{1}\u{8}\u{1b}[31m\u{7f}\u{9f}",
    "null",
    "{\"a\": [1, 2]}",
    "%s %d $1 {} '; drop table messages; --",
    "\u{3000}",
];

#[tokio::test]
async fn a_posted_message_is_its_answer_its_row_and_its_page() {
    let (world, node) = World::with_node().await;
    let new = json!({ "content": "Hello!", "sender_id": SENDER, "room": "a.b:c@d-e_F9", "file": "plan.pdf" });
    let posted = node.post("/message", &new).await;
    assert_eq!(posted.status, StatusCode::CREATED);
    for (field, value) in new.as_object().unwrap() {
        assert_eq!(posted.body[field], *value);
    }
    assert_eq!(posted.body["updated_date"], Value::Null);
    let location = posted.headers["location"].to_str().unwrap();
    assert_eq!(location, format!("/message/{}", posted.body["id"]));
    assert_eq!(node.get(location).await.body, posted.body);
    assert_eq!(node.get("/message").await.body["messages"], json!([posted.body]));
    assert_eq!(row(&world, posted.body["id"].as_i64().unwrap()).await, posted.body);
}

#[tokio::test]
async fn what_is_left_out_has_its_default() {
    let (_world, node) = World::with_node().await;
    let posted = node.post("/message", &message("Hello!")).await.body;
    assert_eq!((&posted["room"], &posted["file"]), (&json!("lobby"), &Value::Null));
    let said = json!({ "content": "Hello!", "sender_id": SENDER.to_uppercase(), "file": null });
    let posted = node.post("/message", &said).await.body;
    assert_eq!((&posted["sender_id"], &posted["file"]), (&json!(SENDER), &Value::Null));
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_nothing_else() {
    let (world, node) = World::with_node().await;
    let new = json!({ "content": "one", "sender_id": SENDER, "room": "a", "file": "plan.pdf" });
    let before = node.post("/message", &new).await.body;
    let id = before["id"].as_i64().unwrap();
    let after = patch(&node, id, json!({ "content": "two" })).await;
    assert_eq!(changed(&before, &after), ["content", "updated_date"]);
    let renamed = patch(&node, id, json!({ "file": "map.png" })).await;
    assert_eq!(changed(&after, &renamed), ["file", "updated_date"]);
    let cleared = patch(&node, id, json!({ "file": null, "content": "three" })).await;
    assert_eq!(changed(&renamed, &cleared), ["content", "file", "updated_date"]);
    assert_eq!((&cleared["content"], &cleared["file"]), (&json!("three"), &Value::Null));
    assert!(instant(&cleared["updated_date"]) > instant(&after["updated_date"]));
    assert!(instant(&after["updated_date"]) > instant(&before["created_date"]));
    assert_eq!(row(&world, id).await, cleared);
}

#[tokio::test]
async fn a_patch_that_changes_nothing_is_no_event_and_no_update() {
    let (_world, node) = World::with_node().await;
    let mut stream = node.stream("").await;
    let id = node.say(message("as it is")).await;
    assert_eq!(stream.next().await.kind(), "new_message");
    let before = node.get(&format!("/message/{id}")).await.body;
    for nothing in [json!({}), json!({ "content": "as it is" }), json!({ "file": null })] {
        assert_eq!(patch(&node, id, nothing).await, before);
    }
    node.say(message("the next event")).await;
    assert_eq!(stream.next().await.content(), "the next event");
}

#[tokio::test]
async fn a_deleted_message_is_gone_and_the_stream_says_what_it_was() {
    let (world, node) = World::with_node().await;
    let mut stream = node.stream("").await;
    let id = node.say(message("soon gone")).await;
    assert_eq!(stream.next().await.kind(), "new_message");
    let path = format!("/message/{id}");
    let deleted = node.send(Method::DELETE, &path, None).await;
    assert_eq!((deleted.status, deleted.body), (StatusCode::NO_CONTENT, json!("")));
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(node.send(method, &path, None).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(node.send(Method::PATCH, &path, Some(&json!({}))).await.status, StatusCode::NOT_FOUND);
    let event = stream.next().await;
    assert_eq!((event.kind().as_str(), event.content().as_str()), ("deleted_message", "soon gone"));
    let left: i64 = sqlx::query_scalar("select count(*) from messages").fetch_one(&world.pool).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn texts_of_all_scripts_come_back_as_they_were_written() {
    let (world, node) = World::with_node().await;
    let mut stream = node.stream("").await;
    for text in TEXTS {
        let id = node.say(message(text)).await;
        assert_eq!(stream.next().await.content(), text);
        let told = node.get(&format!("/message/{id}")).await.body;
        assert_eq!(told["content"], text);
        assert_eq!(row(&world, id).await["content"], text);
        let twice = text.repeat(2);
        assert_eq!(patch(&node, id, json!({ "content": twice })).await["content"], twice);
        assert_eq!(stream.next().await.content(), twice);
    }
}

#[tokio::test]
async fn a_file_name_may_be_of_any_script() {
    let (_world, node) = World::with_node().await;
    let mut stream = node.stream("").await;
    for name in ["отчёт «итог».pdf", "計画書.txt", "a\nb\rc", "..\\..//etc", &"\u{10ffff}".repeat(50)] {
        let new = json!({ "content": "x", "sender_id": SENDER, "file": name });
        assert_eq!(node.post("/message", &new).await.body["file"], name);
        assert_eq!(stream.next().await.data()["data"]["file"], name);
    }
}

#[test]
fn any_text_but_nul_is_a_content() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (_world, node) = runtime.block_on(World::with_node());
    let stream = tokio::sync::Mutex::new(runtime.block_on(node.stream("")));
    let texts = proptest::collection::vec(any::<char>().prop_filter("NUL", |c| *c != '\0'), 1..40);
    let run = TestRunner::new(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() }).run(
        &texts.prop_map(String::from_iter),
        |text| {
            runtime.block_on(async {
                let answer = node.post("/message", &message(&text)).await;
                prop_assert_eq!(&answer.body["content"], &text);
                prop_assert_eq!(stream.lock().await.next().await.content(), text);
                Ok(())
            })
        },
    );
    run.unwrap();
}

#[tokio::test]
async fn a_writer_who_chose_the_ids_of_its_rows_is_nobody_elses_trouble() {
    let (world, node) = World::with_node().await;
    let rows =
        "insert into messages (id, content, sender_id) select n, 'x', gen_random_uuid() from generate_series(1, 9) n";
    world.sql(rows).await;
    assert!(node.say(message("the tenth")).await > 9);
}

#[tokio::test]
async fn timestamps_have_one_form_whoever_wrote_them() {
    let (world, node) = World::with_node().await;
    let mut stream = node.stream("").await;
    world
        .sql(&format!(
            "insert into messages (content, sender_id, created_date, updated_date) values
               ('a', '{SENDER}', '0001-01-01 00:00:00+00', '9999-12-31 23:59:59.999999+00'),
               ('b', '{SENDER}', '2024-02-29 23:59:60+05:30', '2024-03-31 02:30:00.1+01'),
               ('c', '{SENDER}', '2024-01-01 12:00:00.000001+00', null)"
        ))
        .await;
    let id = node.say(message("d")).await;
    patch(&node, id, json!({ "content": "e" })).await;
    let page = node.get("/message").await.body["messages"].clone();
    let events: Vec<Value> = stream.take(5).await.iter().map(|event| event.data()["data"].clone()).collect();
    for told in page.as_array().unwrap().iter().chain(&events) {
        assert_eq!(form(&told["created_date"]), FORM, "{told}");
        assert!(told["updated_date"].is_null() || form(&told["updated_date"]) == FORM, "{told}");
        assert!(told["at"].is_null() || form(&told["at"]) == FORM, "{told}");
    }
    assert_eq!(events[0]["created_date"], "0001-01-01T00:00:00.000000Z");
    assert_eq!(events[0]["updated_date"], "9999-12-31T23:59:59.999999Z");
    assert_eq!(events[1]["created_date"], "2024-02-29T18:30:00.000000Z");
    assert_eq!(events[1]["updated_date"], "2024-03-31T01:30:00.100000Z");
}

/// A timestamp with a 0 for each digit.
const FORM: &str = "0000-00-00T00:00:00.000000Z";

fn form(timestamp: &Value) -> String {
    timestamp.as_str().unwrap().chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
}

fn instant(timestamp: &Value) -> DateTime<Utc> {
    timestamp.as_str().unwrap().parse().unwrap()
}

/// The fields that differ.
fn changed(before: &Value, after: &Value) -> Vec<String> {
    let (before, after) = (before.as_object().unwrap(), after.as_object().unwrap());
    let differs = |(field, value): (&String, &Value)| (before[field] != *value).then(|| field.clone());
    after.iter().filter_map(differs).collect()
}

/// Patches a message, which must succeed; the message as it is then.
async fn patch(node: &Node, id: i64, patch: Value) -> Value {
    let answer = node.send(Method::PATCH, &format!("/message/{id}"), Some(&patch)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(node.get(&format!("/message/{id}")).await.body, answer.body);
    answer.body
}

/// The row as PostgreSQL itself tells it, in the form of an answer.
async fn row(world: &World, id: i64) -> Value {
    let text: String = sqlx::query_scalar(
        r#"select json_build_object('id', id, 'room', room, 'content', content, 'file', file, 'sender_id', sender_id,
             'session_id', session_id,
             'created_date', to_char(created_date at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
             'updated_date', to_char(updated_date at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text
           from messages where id = $1"#,
    )
    .bind(id)
    .fetch_one(&world.pool)
    .await
    .unwrap();
    serde_json::from_str(&text).unwrap()
}
