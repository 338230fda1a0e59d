//! Whatever is published on our channels, by whomever: it is one event, or it is passed over.

use chrono::DateTime;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::change::{EventId, Heartbeat};
use crate::frame::{
    Frame,
    tests::{Events, damaged, texts, values},
};

/// Mostly changes, with something wrong in many of them.
fn payloads() -> impl Strategy<Value = String> {
    let operations = ["INSERT", "UPDATE", "DELETE", "TRUNCATE", "insert"].map(Value::from).to_vec();
    let operation = prop_oneof![4 => prop::sample::select(operations), 1 => values()];
    let event_id = prop_oneof![
        4 => (any::<u32>(), any::<u64>()).prop_map(|(generation, position)| format!("{generation}-{position}").into()),
        1 => values(),
    ];
    let room = prop_oneof![2 => texts().prop_map(Value::from), 1 => values()];
    let change = (operation, event_id, room, values(), any::<bool>());
    change.prop_map(|(operation, event_id, room, content, spread)| {
        let change = json!({ "operation": operation, "event_id": event_id, "room": room, "content": content });
        if spread { format!("{change:#}") } else { change.to_string() }
    })
}

/// What the bus may bring, as the text that it is taken for.
fn messages() -> impl Strategy<Value = String> {
    let bytes = prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..64),
        1 => values().prop_map(|value| value.to_string().into_bytes()),
        3 => payloads().prop_map(String::into_bytes),
        3 => damaged(payloads()),
    ];
    bytes.prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_message_makes_one_event_or_is_passed_over(text in messages()) {
        let Some(Signal::Change(published)) = change(text.clone()) else { return Ok(()) };
        let event_id = published.event_id;
        let mut stream = Events::default();
        let events = stream.read(&Frame::new(published).bytes);
        prop_assert!(stream.is_between());
        let [event] = events.as_slice() else { panic!("one event, not {events:?}") };
        prop_assert_eq!(event.id.clone(), Some(event_id.to_string()));
        let data: Value = serde_json::from_str(event.data.as_deref().unwrap()).unwrap();
        prop_assert_eq!(&data["data"], &serde_json::from_str::<Value>(&text).unwrap());
    }

    #[test]
    fn a_change_is_taken_for_what_it_is(room in prop::option::of(texts()), position in 0..i64::MAX, spread: bool) {
        let sent = json!({ "operation": "UPDATE", "event_id": format!("3-{position}"), "room": room, "more": [room] });
        let text = if spread { format!("{sent:#}") } else { sent.to_string() };
        let Some(Signal::Change(published)) = change(text) else { panic!("{sent} is a change") };
        prop_assert_eq!((published.event_id, published.room), (EventId::new(3, position), room));
        prop_assert_eq!(serde_json::from_str::<Value>(&published.json).unwrap(), sent);
    }

    #[test]
    fn any_message_is_a_heartbeat_or_is_passed_over(text in messages()) {
        if let Some(heard) = heartbeat(&text) {
            let Signal::Heartbeat(heard) = heard else { panic!("{heard:?} is no heartbeat") };
            let sent: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(heard.event_id, sent["event_id"].as_str().unwrap().parse().unwrap());
        }
    }

    #[test]
    fn a_heartbeat_is_read_back(generation in 0..=i32::MAX, position in 0..=i64::MAX, micros in prop::option::of(0..1i64 << 50)) {
        let canary = micros.map(|micros| DateTime::from_timestamp_micros(micros).unwrap());
        let sent = Heartbeat { event_id: EventId::new(generation, position), canary };
        let text = serde_json::to_string(&sent).unwrap();
        prop_assert_eq!(heartbeat(&text), Some(Signal::Heartbeat(sent)));
    }
}
