//! Any text makes one event that reads back to what went in, whatever line ends it holds.

use chrono::DateTime;
use proptest::prelude::*;

use super::*;
use crate::change::{Change, ChangedRow};

/// The `id` and the `data` of a frame that holds one event, read as the standard says: CR, LF and CRLF end a line.
fn read(bytes: &[u8]) -> (String, serde_json::Value) {
    let text = std::str::from_utf8(bytes).unwrap();
    let event = text.strip_suffix("\n\n").expect("an empty line ends the event");
    let lines: Vec<&str> = event.split(['\r', '\n']).collect();
    let [id, data] = lines.as_slice() else { panic!("an id and a data line, not {lines:?}") };
    let data = data.strip_prefix("data: ").expect("data");
    (id.strip_prefix("id: ").expect("an id").to_owned(), serde_json::from_str(data).unwrap())
}

/// Text with more line ends and separators than chance would bring.
fn texts() -> impl Strategy<Value = String> {
    let parts = prop_oneof![Just("\r".to_owned()), Just("\n".to_owned()), Just("\u{2028}".to_owned()), any::<String>()];
    proptest::collection::vec(parts, 0..8).prop_map(|parts| parts.concat())
}

fn change(operation: Operation, content: String, room: String) -> Change {
    let at = DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap();
    let row = ChangedRow {
        id: 7,
        room,
        content: Some(content.clone()),
        content_omitted: false,
        file: Some(content),
        created_date: at,
        updated_date: None,
        sender_id: uuid::Uuid::nil(),
    };
    let row = (operation != Operation::Truncate).then_some(row);
    Change { operation, row, event_id: EventId::new(3, 42), prev: None, transaction: "778".to_owned(), at }
}

proptest! {
    #[test]
    fn any_text_makes_one_event_that_reads_back(content in texts(), room in texts()) {
        let change = Published::render(&change(Operation::Update, content.clone(), room.clone())).unwrap();
        let frame = Frame::new(change);
        prop_assert_eq!(frame.room.as_deref(), Some(room.as_str()));
        let (id, data) = read(&frame.bytes);
        prop_assert_eq!(id, "3-42");
        prop_assert_eq!(data["type"].as_str(), Some("updated_message"));
        prop_assert_eq!(data["data"]["content"].as_str(), Some(content.as_str()));
        prop_assert_eq!(data["data"]["room"].as_str(), Some(room.as_str()));
    }

    #[test]
    fn what_someone_else_publishes_makes_one_event_or_none(text in texts(), spread in any::<bool>()) {
        let json = serde_json::json!({ "operation": "INSERT", "event_id": "1-2", "room": text, "content": text });
        let json = if spread { serde_json::to_string_pretty(&json).unwrap() } else { json.to_string() };
        let change = Published::parse(json).unwrap();
        let (_, data) = read(&Frame::new(change).bytes);
        prop_assert_eq!(data["data"]["content"].as_str(), Some(text.as_str()));
        prop_assert!(Published::parse(text).is_err());
    }

    #[test]
    fn a_change_is_read_back_from_the_bus_as_it_was_sent(content in texts()) {
        let change = Published::render(&change(Operation::Insert, content, "lobby".to_owned())).unwrap();
        prop_assert_eq!(Published::parse(change.json.clone()).unwrap(), change);
    }
}

#[test]
fn every_operation_has_its_type() {
    let kinds = [
        (Operation::Insert, "new_message"),
        (Operation::Update, "updated_message"),
        (Operation::Delete, "deleted_message"),
        (Operation::Truncate, "truncated"),
    ];
    for (operation, kind) in kinds {
        let change = change(operation, "x".to_owned(), "lobby".to_owned());
        let frame = Frame::new(Published::render(&change).unwrap());
        assert_eq!(read(&frame.bytes).1["type"], kind);
        assert_eq!(frame.room.is_none(), operation == Operation::Truncate);
    }
}

#[test]
fn notices_are_events() {
    let at = EventId::new(2, 9);
    let (id, data) = read(&connected(at, true));
    assert_eq!((id.as_str(), &data["type"], &data["resumed"]), ("2-9", &"connected".into(), &true.into()));
    let (id, data) = read(&reset(ResetReason::Expired, at));
    assert_eq!((id.as_str(), &data["type"], &data["reason"]), ("2-9", &"reset".into(), &"expired".into()));
    assert_eq!(retry(1500), "retry: 1500\n\n");
    assert!(bye().starts_with(b"data: {\"type\":\"bye\""), "a bye moves no position");
}
