//! Each event is one that a client reads as it was meant, whatever is in it.

use chrono::DateTime;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const ID: Uuid = Uuid::from_u128(0x0c54_4734_1888_5ee1_94a9_a833_4a16_6413);

fn session() -> Session {
    Session {
        id: ID,
        state: State::Streaming,
        sealed: false,
        count: 3,
        parked: 0,
        bytes: 9,
        last: None,
        owner: String::new(),
        sender: ID,
        room: "lobby".to_owned(),
        created: DateTime::UNIX_EPOCH,
        age_ms: 0,
        reason: None,
        kind: None,
        missing: Vec::new(),
        message: None,
        by: None,
        tokens: None,
        readers: Vec::new(),
    }
}

fn message(content: &str) -> Message {
    Message {
        id: 812,
        room: "lobby".to_owned(),
        content: content.to_owned(),
        file: None,
        created_date: DateTime::UNIX_EPOCH,
        updated_date: None,
        sender_id: ID,
        session_id: Some(ID),
    }
}

/// Reads one event as the standard says, where CR, LF and CRLF alike end a line: its id, its name, its data.
fn read(frame: &Bytes) -> (Option<String>, String, Value) {
    let text = std::str::from_utf8(frame).unwrap().replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = text.strip_suffix("\n\n").expect("an empty line ends it").split('\n').collect();
    let (mut id, mut name, mut data) = (None, None, None);
    for line in lines {
        let (field, value) = line.split_once(": ").unwrap_or_else(|| panic!("no field: {line:?}"));
        let place = match field {
            "id" => &mut id,
            "event" => &mut name,
            "data" => &mut data,
            _ => panic!("no field of an event: {line:?}"),
        };
        assert_eq!(place.replace(value.to_owned()), None, "one line each");
    }
    (id, name.unwrap(), serde_json::from_str(&data.unwrap()).unwrap())
}

fn end(frame: &Bytes) -> (String, Value) {
    let (id, name, data) = read(frame);
    assert_eq!(id.as_deref(), Some("end"));
    (name, data)
}

#[test]
fn a_reader_is_told_where_it_is_without_an_id() {
    let connection = Uuid::from_u128(7);
    let expected = json!({
        "session_id": ID, "connection_id": connection, "state": "streaming", "head": 2, "node_id": "n"
    });
    assert_eq!(read(&connected(&session(), connection, "n")), (None, "connected".to_owned(), expected));
    let (.., data) = read(&connected(&Session { count: 0, state: State::Created, ..session() }, connection, "n"));
    assert_eq!((&data["head"], &data["state"]), (&json!(-1), &json!("created")));
}

#[test]
fn chunks_are_numbered_and_the_last_says_so() {
    let texts = vec!["a".to_owned(), "b".to_owned()];
    let page = Page { state: Some(State::Streaming), count: 59, last: Some(58), texts };
    let frames: Vec<_> = chunks(ID, 57, &page).map(|frame| read(&frame)).collect();
    let one = json!({ "session_id": ID, "chunk_id": 57, "chunk": "a", "is_final": false });
    let two = json!({ "session_id": ID, "chunk_id": 58, "chunk": "b", "is_final": true });
    let chunk = |id: &str, data| (Some(id.to_owned()), "chunk".to_owned(), data);
    assert_eq!(frames, [chunk("57", one), chunk("58", two)]);
}

#[test]
fn what_is_complete_has_its_message_or_none() {
    let message = message("abc");
    let session = Session { state: State::Completed, tokens: Some(42), message: Some(812), ..session() };
    let expected = json!({
        "session_id": ID, "message_id": 812, "chunk_count": 3, "token_count": 42,
        "message": serde_json::to_value(&message).unwrap(),
    });
    assert_eq!(end(&over(&session, Some(&message))), ("message_complete".to_owned(), expected.clone()));
    assert_eq!(expected["message"]["session_id"], json!(ID));
    let (_, gone) = end(&over(&session, None));
    assert_eq!((&gone["message_id"], &gone["message"]), (&json!(812), &Value::Null));
    let (name, late) = end(&written(ID, &message));
    assert_eq!((name.as_str(), &late["message"]), ("message_complete", &expected["message"]));
    assert_eq!((&late["chunk_count"], &late["token_count"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_failure_says_why_and_what_is_missing() {
    let failed = Session { state: State::Failed, reason: Some(Reason::MissingChunk), missing: vec![3, 5], ..session() };
    let expected = json!({ "session_id": ID, "reason": "missing_chunk", "head": 2, "missing": [3, 5] });
    assert_eq!(end(&over(&failed, None)), ("session_failed".to_owned(), expected));
    let upstream = Session { reason: Some(Reason::UpstreamError), kind: Some("overloaded_error".to_owned()), ..failed };
    assert_eq!(end(&over(&upstream, None)).1["kind"], json!("overloaded_error"));
    let expected = json!({ "session_id": ID, "reason": "expired", "head": -1, "missing": [] });
    assert_eq!(end(&expired(ID, 0)), ("session_failed".to_owned(), expected));
}

#[test]
fn a_cancellation_says_by_whom_and_what_was_kept() {
    let session = Session { state: State::Cancelled, by: Some("ann".to_owned()), ..session() };
    let expected = json!({ "session_id": ID, "by": "ann", "message_id": null, "message": null });
    assert_eq!(end(&over(&session, None)), ("session_cancelled".to_owned(), expected));
    let (_, kept) = end(&over(&session, Some(&message("abc"))));
    assert_eq!((&kept["message_id"], &kept["message"]["content"]), (&json!(812), &json!("abc")));
}

#[test]
fn a_ping_has_the_time_and_no_id() {
    let (id, name, data) = read(&ping());
    assert_eq!((id, name.as_str()), (None, "ping"));
    assert!(DateTime::parse_from_rfc3339(data["ts"].as_str().unwrap()).is_ok(), "{data}");
}

proptest! {
    #[test]
    fn no_text_tears_an_event_or_forges_one(
        text in "([\r\n\u{b}\u{1}\u{7f}\u{85}\u{2028}\u{2029}\u{feff}:\"\\\\🦀é]|(\n\nid: 9\nevent: x\ndata: y\n\n)|.){0,40}",
        by in "[\r\n\":a]{0,8}",
    ) {
        let page = Page { state: None, count: 1, last: None, texts: vec![text.clone()] };
        let (id, name, data) = read(&chunks(ID, 0, &page).next().unwrap());
        prop_assert_eq!((id.as_deref(), name.as_str(), &data["chunk"]), (Some("0"), "chunk", &json!(text)));
        let session = Session { state: State::Cancelled, by: Some(by.clone()), kind: Some(by.clone()), ..session() };
        let (_, data) = end(&over(&session, Some(&message(&text))));
        prop_assert_eq!((&data["by"], &data["message"]["content"]), (&json!(by), &json!(text)));
        let failed = Session { state: State::Failed, ..session };
        prop_assert_eq!(&end(&over(&failed, None)).1["kind"], &json!(by));
    }
}
