//! Any text makes one event that reads back to what went in, whatever line ends it holds.

use chrono::{DateTime, Utc};
use proptest::prelude::*;

use super::*;
use crate::change::{Change, ChangedRow};

/// What a client has of an event: its fields, as far as we send them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) data: Option<String>,
    pub(crate) retry: Option<String>,
}

/// A client's end of a stream: it takes pieces of any size, and reads them as the standard says.
#[derive(Default)]
pub(crate) struct Events {
    line: Vec<u8>,
    after_cr: bool,
    event: Event,
}

impl Events {
    /// The events that end in this piece.
    pub(crate) fn read(&mut self, piece: &[u8]) -> Vec<Event> {
        piece.iter().filter_map(|byte| self.read_byte(*byte)).collect()
    }

    /// Whether nothing has begun that has not ended.
    pub(crate) fn is_between(&self) -> bool {
        self.line.is_empty() && self.event == Event::default()
    }

    fn read_byte(&mut self, byte: u8) -> Option<Event> {
        let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
        match byte {
            b'\n' if after_cr => None,
            b'\r' | b'\n' => self.end_line(),
            _ => {
                self.line.push(byte);
                None
            }
        }
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = String::from_utf8(std::mem::take(&mut self.line)).unwrap();
        if line.is_empty() {
            return Some(std::mem::take(&mut self.event)).filter(|event| *event != Event::default());
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        let field = match name {
            "" => return None,
            "id" => &mut self.event.id,
            "data" => &mut self.event.data,
            "retry" => &mut self.event.retry,
            _ => panic!("no such field is sent: {line}"),
        };
        let before = field.replace(value.strip_prefix(' ').unwrap_or(value).to_owned());
        assert_eq!(before, None, "each field is one line");
        None
    }
}

/// The `id` and the `data` of a frame that holds one event, read as the standard says: CR, LF and CRLF end a line.
fn lines(bytes: &[u8]) -> (&str, &str) {
    let text = std::str::from_utf8(bytes).unwrap();
    let event = text.strip_suffix("\n\n").expect("an empty line ends the event");
    let lines: Vec<&str> = event.split(['\r', '\n']).collect();
    let [id, data] = lines.as_slice() else { panic!("an id and a data line, not {lines:?}") };
    (id.strip_prefix("id: ").expect("an id"), data.strip_prefix("data: ").expect("data"))
}

/// The same, with the `data` as JSON.
fn read(bytes: &[u8]) -> (String, serde_json::Value) {
    let (id, data) = lines(bytes);
    (id.to_owned(), serde_json::from_str(data).unwrap())
}

/// Text with more line ends and separators than chance would bring.
pub(crate) fn texts() -> impl Strategy<Value = String> {
    let parts = prop_oneof![Just("\r".to_owned()), Just("\n".to_owned()), Just("\u{2028}".to_owned()), any::<String>()];
    proptest::collection::vec(parts, 0..8).prop_map(|parts| parts.concat())
}

/// Any JSON; its fractions are such that no reader rounds them.
pub(crate) fn values() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<i32>().prop_map(|eighths| (f64::from(eighths) / 8.0).into()),
        texts().prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let fields = proptest::collection::hash_map(texts(), inner.clone(), 0..4);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Into::into),
            fields.prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

/// The same text with a few of its bytes replaced, left out or put in between.
pub(crate) fn damaged(text: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<u8>> {
    let damage = (any::<prop::sample::Index>(), proptest::collection::vec(any::<u8>(), 0..3), 0..3usize);
    (text, proptest::collection::vec(damage, 1..4)).prop_map(|(text, damages)| {
        let mut bytes = text.into_bytes();
        for (at, new, gone) in damages {
            let at = at.index(bytes.len() + 1);
            let upto = bytes.len().min(at + gone);
            bytes.splice(at..upto, new);
        }
        bytes
    })
}

fn instants() -> impl Strategy<Value = DateTime<Utc>> {
    (0..4_000_000_000_000_000_i64).prop_map(|micros| DateTime::from_timestamp_micros(micros).unwrap())
}

fn rows() -> impl Strategy<Value = ChangedRow> {
    let texts = (texts(), prop::option::of(texts()), any::<bool>(), prop::option::of(texts()));
    let uuids = || any::<u128>().prop_map(uuid::Uuid::from_u128);
    let dates = (instants(), prop::option::of(instants()));
    let rest = (any::<i64>(), dates, uuids(), prop::option::of(uuids()));
    (texts, rest).prop_map(|((room, content, content_omitted, file), (id, dates, sender_id, session_id))| {
        let (created_date, updated_date) = dates;
        ChangedRow { id, room, content, content_omitted, file, created_date, updated_date, sender_id, session_id }
    })
}

fn event_ids() -> impl Strategy<Value = EventId> {
    (0..=i32::MAX, 0..=i64::MAX).prop_map(|(generation, position)| EventId::new(generation, position))
}

/// Any change that the log can hold.
fn changes() -> impl Strategy<Value = Change> {
    let operations = vec![Operation::Insert, Operation::Update, Operation::Delete];
    let deed = prop_oneof![
        9 => (prop::sample::select(operations), rows()).prop_map(|(operation, row)| (operation, Some(row))),
        1 => Just((Operation::Truncate, None)),
    ];
    (deed, event_ids(), prop::option::of(event_ids()), any::<u64>(), instants()).prop_map(
        |((operation, row), event_id, prev, transaction, at)| {
            let transaction = transaction.to_string();
            Change { operation, row, event_id, prev, transaction, at }
        },
    )
}

/// Anything that is written to a stream, with what a client has of it.
fn pieces() -> impl Strategy<Value = (Bytes, Option<Event>)> {
    let whole = |bytes: Bytes| {
        let (id, data) = lines(&bytes);
        let event = Event { id: Some(id.to_owned()), data: Some(data.to_owned()), retry: None };
        (bytes, Some(event))
    };
    let id = |to: EventId| Event { id: Some(to.to_string()), ..Event::default() };
    let time = |time: u64| Event { retry: Some(time.to_string()), ..Event::default() };
    let frame = |change| Frame::new(Published::render(&change).unwrap()).bytes;
    prop_oneof![
        5 => changes().prop_map(frame).prop_map(whole),
        1 => (event_ids(), any::<bool>()).prop_map(|(at, resumed)| connected(at, resumed)).prop_map(whole),
        1 => event_ids().prop_map(|head| reset(ResetReason::Expired, head)).prop_map(whole),
        1 => event_ids().prop_map(move |to| (moved(to), Some(id(to)))),
        1 => any::<u64>().prop_map(move |millis| (retry(millis), Some(time(millis)))),
        1 => Just((KEEP_ALIVE, None)),
    ]
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
        session_id: None,
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
    fn any_change_makes_one_event_that_says_all_of_it(change in changes()) {
        let published = Published::render(&change).unwrap();
        let (id, event) = read(&Frame::new(published).bytes);
        prop_assert_eq!(&id, &change.event_id.to_string());
        prop_assert_eq!(&event["data"], &serde_json::to_value(&change).unwrap());
    }

    #[test]
    fn a_change_is_read_back_from_the_bus_as_it_was_sent(change in changes()) {
        let change = Published::render(&change).unwrap();
        prop_assert_eq!(Published::parse(change.json.clone()).unwrap(), change);
    }

    #[test]
    fn a_stream_is_read_back_wherever_it_is_cut(
        pieces in proptest::collection::vec(pieces(), 0..8),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..16),
    ) {
        let stream: Vec<u8> = pieces.iter().flat_map(|(bytes, _)| bytes.to_vec()).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let mut events = Events::default();
        let told: Vec<Event> = cuts.windows(2).flat_map(|cut| events.read(&stream[cut[0]..cut[1]])).collect();
        prop_assert!(events.is_between());
        prop_assert_eq!(told, pieces.into_iter().filter_map(|(_, event)| event).collect::<Vec<_>>());
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
    assert!(connected_elsewhere(at).starts_with(b"data: {\"type\":\"connected\""), "nor does what a reset follows");
    let (id, data) = read(&connected(at, true));
    assert_eq!((id.as_str(), &data["type"], &data["resumed"]), ("2-9", &"connected".into(), &true.into()));
    let (id, data) = read(&reset(ResetReason::Expired, at));
    assert_eq!((id.as_str(), &data["type"], &data["reason"]), ("2-9", &"reset".into(), &"expired".into()));
    assert_eq!(retry(1500), "retry: 1500\n\n");
    assert!(bye().starts_with(b"data: {\"type\":\"bye\""), "a bye moves no position");
}
