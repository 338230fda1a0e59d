//! Whatever goes wrong with the model, readers are told why in our words, nothing is written, and the model is not asked
//! again once it has begun.

use super::*;
use crate::support::Log;

/// What a service says that nobody may read.
const SECRET: &str = "org-internal-detail";

/// A reply that fails; how its readers are told, and how often the model was asked.
async fn fails(script: Script, more: &[(&str, &str)]) -> (Told, usize) {
    let (world, upstream, node) = stage([script], more).await;
    let mut reader = ask_inline(&node, &saying("hello")).await;
    let told = reader.last().await;
    let id = told.data["session_id"].as_str().unwrap();
    let seen = look(&node, id).await;
    assert_eq!((&seen["state"], &seen["reason"]), (&json!("failed"), &told.data["reason"]));
    assert_eq!((&seen["kind"], &seen["message_id"]), (&told.data["kind"], &json!(null)));
    assert_eq!(written(&world).await, [said("hello")]);
    (told, upstream.asked().len())
}

#[tokio::test]
async fn a_service_that_refuses_is_told_by_its_kind() {
    for (status, kind, asked) in [
        ("401 Unauthorized", "unauthorized", 1),
        ("404 Not Found", "rejected", 1),
        ("429 Too Many Requests", "rate_limited", 2),
        ("529 Overloaded", "overloaded", 2),
        ("500 Oh", "failed", 1),
    ] {
        let script = Script::answer(status, &[("retry-after", "0")], SECRET);
        let (told, times) = fails(script, &[]).await;
        assert_failed(&told, "upstream_error", kind);
        assert_eq!(times, asked, "{status}");
    }
    let script = Script::answer("429 Too Many Requests", &[("retry-after", "3600")], SECRET);
    let (told, times) = fails(script, &[]).await;
    assert_failed(&told, "upstream_error", "rate_limited");
    assert_eq!(times, 1, "nobody waits for so long");
}

#[tokio::test]
async fn a_reply_that_breaks_off_is_told_by_its_kind_and_not_asked_for_again() {
    let begun = || Script::stream().say(text(OPENAI, "first "));
    let error = format!("data: {}\n\n", json!({ "error": { "message": SECRET, "type": "server_error" } }));
    for (script, kind) in [
        (begun().end(), "truncated"),
        (begun(), "broken"),
        (begun().say(error).hold(), "reported"),
        (begun().say("data: {\"garbage\n\n").hold(), "unreadable"),
        (Script::answer("200 OK", &[("content-type", "text/html")], SECRET), "no_stream"),
        (Script::stream().say(text(OPENAI, &"x".repeat(5000))).hold(), "too_large"),
    ] {
        let (told, times) = fails(script, &[("LLM_EVENT_BYTES", "4KiB")]).await;
        assert_failed(&told, "upstream_error", kind);
        assert_eq!(times, 1, "{kind}");
    }
    let (told, _) = fails(Script::stream().say(stop(OPENAI)).end(), &[]).await;
    assert_failed(&told, "empty", "");
}

#[tokio::test]
async fn a_reply_that_takes_too_long_is_told_so_and_the_model_hung_up_on() {
    for (setting, kind) in [("LLM_IDLE_TIMEOUT", "idle"), ("LLM_TOTAL_TIMEOUT", "total")] {
        let (told, times) = fails(held(), &[(setting, "300ms")]).await;
        assert_failed(&told, "upstream_timeout", kind);
        assert_eq!(times, 1);
    }
}

#[tokio::test]
async fn a_reply_larger_than_a_session_fails() {
    for bound in [("SESSION_MAX_BYTES", "1000B"), ("SESSION_MAX_CHUNKS", "10")] {
        let script = Script::stream().say(text(OPENAI, &"x".repeat(2000))).hold();
        let (told, times) = fails(script, &[bound, ("SESSION_MAX_CHUNK", "100B")]).await;
        assert_failed(&told, "upstream_error", "too_large");
        assert_eq!(times, 1);
    }
}

#[tokio::test]
async fn a_producer_that_panics_ends_its_session() {
    let world = World::new().await;
    // No clock goes so far.
    let settings = [("LLM_ECHO_PACE", "10000000000000000000s"), ("LOG", "error")];
    let (node, log) = Node::start_logged(&world, &settings).await;
    let id = ask(&node, &saying("hello")).await;
    let seen = ended(&node, &id, "failed").await;
    assert_eq!((&seen["reason"], &seen["kind"]), (&json!("upstream_error"), &json!("internal")));
    log.line(&["a producer panicked", &id]).await;
}

/// Whatever the service says, with the level of the log that shows most.
async fn told_of(script: Script) -> (Vec<String>, Log) {
    let (world, upstream) = (World::new().await, Upstream::play([script]).await);
    let log = "debug,rowcast=trace";
    let (node, log) = Node::start_logged(&world, &asking(&upstream, &[("LOG", log)])).await;
    let request = for_events(&node, "/chat", &saying("hello")).header("X-Request-Id", "asked-here");
    let events = soon("a whole answer", request.send().await.unwrap().text()).await.unwrap();
    let (_, id) = events.split_once("\"session_id\":\"").expect("an id");
    let id = &id[..36];
    log.line(&["a reply was not finished", id, "asked-here"]).await;
    let answers = vec![events.clone(), look(&node, id).await.to_string(), node.try_get("/metrics").await];
    (answers, log)
}

#[tokio::test]
async fn nothing_of_the_key_or_of_the_services_words_is_told() {
    let said = format!("{SECRET}: your key {KEY} is wrong");
    let error = format!("data: {}\n\n", json!({ "error": { "message": said } }));
    for script in
        [Script::answer("401 Unauthorized", &[("x-detail", SECRET)], &said), Script::stream().say(error).end()]
    {
        let (answers, log) = told_of(script).await;
        for answer in &answers {
            assert!(!answer.contains(SECRET) && !answer.contains(KEY) && !answer.contains("127.0.0.1"), "{answer}");
        }
        let log = log.text();
        assert!(!log.contains(KEY) && !log.contains("sk-hunter2"), "{log}");
        // It says with which model, and what that said: whoever runs the node has to know.
        assert!(log.contains("usual") && log.contains("[key]"), "{log}");
    }
}

#[tokio::test]
async fn a_reply_older_than_a_session_may_be_fails_and_the_model_is_hung_up_on() {
    let short = [("SESSION_MAX_AGE", "1s"), ("SESSION_REAP_INTERVAL", "100ms"), ("SESSION_IDLE_TIMEOUT", "1h")];
    let (world, upstream, node) = stage([held()], &[&short[..], &[("LLM_IDLE_TIMEOUT", "1h")]].concat()).await;
    let mut reader = ask_inline(&node, &saying("hello")).await;
    assert_failed(&reader.last().await, "max_age", "");
    upstream.is_left(1).await;
    assert_eq!(written(&world).await, [said("hello")]);
}

#[tokio::test]
async fn the_report_tells_how_the_model_answered_last() {
    let script = [held(), whole("fine"), Script::answer("500 Oh", &[], SECRET)];
    let (_world, upstream, node) = stage(script, &[]).await;
    let chat = async || node.get("/health").await.body["chat"].clone();
    let tells = |replies: u64, upstream: &str| json!({ "dialect": "openai", "model": "usual", "replies": replies, "upstream": upstream });
    assert_eq!(chat().await, tells(0, "unknown"));
    let mut held = ask_inline(&node, &saying("first")).await;
    held.next().await;
    assert_eq!(chat().await, tells(1, "unknown"));
    for upstream in ["ok", "error"] {
        ask_inline(&node, &saying("again")).await.last().await;
        until("the reply is made, or not", async || chat().await == tells(1, upstream)).await;
    }
    assert_eq!(upstream.asked().len(), 3);
}
