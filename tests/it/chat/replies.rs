//! A reply streams to whoever reads it, on any node, byte by byte as the model said it, and becomes one message.

use rowcast::chat::model::Dialect;
use serde_json::json;

use super::*;
use crate::support::Figures;

/// Characters of one to four bytes, some that only together are one, and what JSON and events have to escape.
const TEXT: &str = "Grüße, дорогой 友達!\r\n\"\\ \u{2028}e\u{301} مرحبا ไทย 👩‍👩‍👧‍👦🏳️‍🌈 \t\u{7f}end";

#[tokio::test]
async fn what_is_said_is_a_message_at_once_and_what_is_replied_is_one_in_the_end() {
    let (world, upstream, node) = stage([on_cue(&["one ", "two"])], &[]).await;
    let mut feed = node.stream("?room=tea").await;
    let body = json!({ "user_id": SENDER, "message": "hello", "room": "tea" });
    let request = node.http.post(format!("{}/chat", node.url)).header("X-Request-Id", "me-1").json(&body);
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    let id = answer.body["session_id"].as_str().unwrap();

    let event = feed.next().await.data()["data"].clone();
    assert_eq!((&event["content"], &event["sender_id"]), (&json!("hello"), &json!(SENDER)));
    assert_eq!((&event["room"], &event["session_id"]), (&json!("tea"), &json!(null)));
    let expected = json!({
        "session_id": id, "stream_url": format!("/session/{id}/stream"), "message_id": null, "status": "accepted",
        "user_message_id": event["id"], "correlation_id": "me-1", "timestamp": answer.body["timestamp"],
    });
    assert_eq!(answer.body, expected);
    let age = chrono::Utc::now() - answer.body["timestamp"].as_str().unwrap().parse::<chrono::DateTime<_>>().unwrap();
    assert!((0..30).contains(&age.num_seconds()), "{age}");

    upstream.cue();
    upstream.cue();
    let event = feed.next().await.data()["data"].clone();
    assert_eq!((&event["content"], &event["sender_id"]), (&json!("one two"), &json!(MODEL)));
    assert_eq!((&event["room"], &event["session_id"]), (&json!("tea"), &json!(id)));
    assert_eq!(ended(&node, id, "completed").await["message_id"], event["id"]);
    assert_eq!(written(&world).await, [said("hello"), replied(id, "one two")]);
}

#[tokio::test]
async fn readers_on_two_nodes_have_it_live_and_one_that_was_cut_off_goes_on() {
    let sender = "9b2f1a52-7a3e-4f0f-9d4e-3f1f0b6a2c11";
    let (world, upstream, one) = stage([on_cue(&["a", "b", "c", "d"])], &[("LLM_SENDER_ID", sender)]).await;
    let two = node(&world, &upstream, &[]).await;
    let mut inline = ask_inline(&one, &saying("hello")).await;
    let connected = inline.next().await;
    assert_eq!(connected.name, "connected");
    let id = connected.data["session_id"].as_str().unwrap().to_owned();
    let mut stays = follow(&two, &id, None).await;
    inline.reach(0).await;
    stays.reach(0).await;
    // The one is lost with its connection, and comes back elsewhere, later.
    drop(inline);
    upstream.cue();
    stays.reach(1).await;
    let mut back = follow(&two, &id, Some(0)).await;
    assert_eq!(back.next().await.name, "connected");
    for chunk in [2, 3] {
        upstream.cue();
        back.reach(chunk).await;
        stays.reach(chunk).await;
    }
    upstream.cue();
    for (mut reader, text) in [(back, "bcd"), (stays, "abcd")] {
        let last = reader.last().await;
        assert_eq!((&*last.name, &*reader.text), ("message_complete", text));
        let message = &last.data["message"];
        assert_eq!((&message["content"], &message["sender_id"]), (&json!("abcd"), &json!(sender)));
        assert_eq!((&last.data["token_count"], &message["session_id"]), (&json!(7), &json!(id)));
    }
    let again = one.http.get(format!("{}/session/{id}/stream", one.url)).header("Last-Event-ID", "end").send();
    assert_eq!(soon("the end", again).await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(upstream.asked().len(), 1);
}

#[tokio::test]
async fn every_byte_is_as_the_model_said_it_in_each_dialect() {
    for dialect in [Dialect::Openai, Dialect::Anthropic] {
        let script = Script::stream().spell(&text(dialect, TEXT)).say(text(dialect, TEXT)).say(stop(dialect)).end();
        let (world, _upstream, node) = stage([script], &[("LLM_DIALECT", dialect.name())]).await;
        let held = HeldBack::of(&world).await;
        let mut reader = ask_inline(&node, &saying(TEXT)).await;
        held.until_seen(&mut reader, &TEXT.repeat(2)).await;
        let last = reader.last().await;
        assert_eq!((&*last.name, &*reader.text), ("message_complete", &*TEXT.repeat(2)));
        let id = last.data["session_id"].as_str().unwrap();
        assert_eq!(written(&world).await, [said(TEXT), replied(id, &TEXT.repeat(2))]);
    }
}

#[tokio::test]
async fn an_echo_says_back_what_is_said() {
    let world = World::new().await;
    let node = world.node_with(&[("LLM_ECHO_PACE", "1ms")]).await;
    let held = HeldBack::of(&world).await;
    let mut reader = ask_inline(&node, &saying(TEXT)).await;
    held.until_seen(&mut reader, TEXT).await;
    let last = reader.last().await;
    assert_eq!((&*reader.text, &last.data["message"]["content"]), (TEXT, &json!(TEXT)));
}

#[tokio::test]
async fn the_model_is_told_what_was_said_before_and_no_more_than_that_is_written() {
    let (world, upstream, node) = stage([whole("yes")], &[("LLM_SYSTEM", "be brief"), ("LLM_MODELS", "large")]).await;
    let body = json!({
        "user_id": SENDER, "message": "and now?", "session_id": null, "ai_provider": "openai", "model": "large",
        "messages": [{ "role": "user", "content": "one" }, { "role": "assistant", "content": "two" }],
    });
    let id = ask(&node, &body).await;
    ended(&node, &id, "completed").await;
    let asked = &upstream.asked()[0];
    assert_eq!(asked.header("authorization"), Some(&*format!("Bearer {KEY}")));
    let turns = [("system", "be brief"), ("user", "one"), ("assistant", "two"), ("user", "and now?")];
    let turns = turns.map(|(role, content)| json!({ "role": role, "content": content }));
    assert_eq!((&asked.body["messages"], &asked.body["model"]), (&json!(turns), &json!("large")));
    assert_eq!(written(&world).await, [said("and now?"), replied(&id, "yes")]);
}

#[tokio::test]
async fn what_a_row_or_a_chunk_cannot_hold_is_made_to_fit() {
    let reply = "nul\0 und ein Stück mit ä, 友 und 🦀, ".repeat(3);
    let (world, _upstream, node) = stage([whole(&reply)], &[("SESSION_MAX_CHUNK", "7B")]).await;
    let id = ask(&node, &saying("hello")).await;
    ended(&node, &id, "completed").await;
    assert_eq!(written(&world).await[1], replied(&id, &reply.replace('\0', "\u{fffd}")));

    let mut reader = ask_inline(&node, &saying("hello")).await;
    while let Some(told) = soon("an event", reader.try_next()).await {
        assert!(told.data["chunk"].as_str().is_none_or(|chunk| (1..=7).contains(&chunk.len())), "{told:?}");
    }
}

#[tokio::test]
async fn figures_count_what_happened() {
    let scripts = [whole("yes"), held(), Script::answer("401 Unauthorized", &[], "")];
    let (_world, _upstream, node) = stage(scripts, &[]).await;
    let mut ids = Vec::new();
    for state in ["completed", "streaming", "failed"] {
        ids.push(ask(&node, &saying("hello")).await);
        ended(&node, ids.last().unwrap(), state).await;
    }
    cancel(&node, &ids[1], "").await;
    let figures = Figures::of(&node).await;
    let names = ["replies_total", "tokens_total", "refused_total", "first_word_seconds_count", "seconds_count"];
    let counts = names.map(|name| figures.one(&format!("rowcast_chat_{name}")));
    assert_eq!(counts, [3.0, 7.0, 0.0, 2.0, 1.0]);
    let failed = |reason| figures.get("rowcast_chat_failed_total", &[("reason", reason)]);
    assert_eq!((failed("unauthorized"), failed("broken")), (Some(1.0), Some(0.0)));
    let all: f64 = figures.families["rowcast_chat_failed"].samples.iter().map(|sample| sample.value).sum();
    assert!((all - 1.0).abs() < f64::EPSILON, "who cancels has not failed");
}
