//! What sockets are told of a change: the feed's own event in the words of Socket.IO, made once for all of them.

use engineioxide::Str;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::packet;
use crate::{
    change::{EventId, Operation},
    frame::Frame,
};

/// A change as the feed has it. What need not be understood is passed on as it is.
#[derive(Deserialize)]
struct Change<'a> {
    operation: Operation,
    event_id: EventId,
    id: Option<i64>,
    #[serde(borrow)]
    room: Option<&'a RawValue>,
    #[serde(borrow)]
    sender_id: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(default)]
    content_omitted: bool,
    #[serde(borrow)]
    file: Option<&'a RawValue>,
    #[serde(borrow)]
    created_date: Option<&'a RawValue>,
    #[serde(borrow)]
    updated_date: Option<&'a RawValue>,
    #[serde(borrow)]
    session_id: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    id: i64,
    room_id: &'a RawValue,
    user_id: &'a RawValue,
    content: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    content_omitted: bool,
    timestamp: &'a RawValue,
    file: Option<&'a RawValue>,
    session_id: Option<&'a RawValue>,
    event_id: EventId,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deleted<'a> {
    room_id: &'a RawValue,
    id: i64,
    user_id: &'a RawValue,
    event_id: EventId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Truncated {
    event_id: EventId,
}

/// The packet that tells of a change; none if it cannot be told, since somebody else has put it on the bus.
pub(super) fn packet(frame: &Frame) -> Option<Str> {
    let change: Change<'_> = serde_json::from_slice(frame.json()).ok()?;
    let Change { operation, event_id, .. } = change;
    if operation == Operation::Truncate {
        return Some(packet::told("truncated", &Truncated { event_id }));
    }
    let (id, room_id, user_id) = (change.id?, change.room?, change.sender_id?);
    if operation == Operation::Delete {
        return Some(packet::told("deletedMessage", &Deleted { room_id, id, user_id, event_id }));
    }
    let new = operation == Operation::Insert;
    let message = Message {
        id,
        room_id,
        user_id,
        content: change.content,
        content_omitted: change.content_omitted,
        timestamp: change.created_date?,
        file: change.file,
        session_id: change.session_id,
        event_id,
        updated_at: change.updated_date.filter(|_| !new),
    };
    Some(packet::told(if new { "receiveMessage" } else { "updatedMessage" }, &message))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::change::Published;

    fn told(operation: &str, more: Value) -> Value {
        let mut change = json!({
            "operation": operation, "id": 7, "room": "a", "content": "hé\n\"", "file": null,
            "created_date": "2024-01-01T00:00:00.000000Z", "updated_date": null,
            "sender_id": "0c544734-1888-5ee1-94a9-a8334a166413", "session_id": null, "event_id": "1-42", "prev": null,
        });
        change.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let frame = Frame::new(Published::parse(change.to_string()).unwrap());
        serde_json::from_str(&packet(&frame).unwrap().as_str()[1..]).unwrap()
    }

    #[test]
    fn a_change_is_told_in_the_words_of_socket_io() {
        let whole = json!({
            "id": 7, "roomId": "a", "userId": "0c544734-1888-5ee1-94a9-a8334a166413", "content": "hé\n\"",
            "timestamp": "2024-01-01T00:00:00.000000Z", "file": null, "sessionId": null, "eventId": "1-42",
        });
        assert_eq!(told("INSERT", json!({})), json!(["receiveMessage", whole]));
        let mut changed = whole.clone();
        changed["updatedAt"] = json!("2024-01-02T00:00:00.000000Z");
        let at = json!({ "updated_date": "2024-01-02T00:00:00.000000Z" });
        assert_eq!(told("UPDATE", at), json!(["updatedMessage", changed]));
        let mut omitted = whole;
        omitted["content"] = Value::Null;
        omitted["contentOmitted"] = json!(true);
        let large = json!({ "content": null, "content_omitted": true });
        assert_eq!(told("INSERT", large), json!(["receiveMessage", omitted]));
        let gone =
            json!({ "roomId": "a", "id": 7, "userId": "0c544734-1888-5ee1-94a9-a8334a166413", "eventId": "1-42" });
        assert_eq!(told("DELETE", json!({})), json!(["deletedMessage", gone]));
    }

    #[test]
    fn all_rows_gone_is_told_and_what_is_no_row_is_not() {
        let frame = |json: Value| Frame::new(Published::parse(json.to_string()).unwrap());
        let all = packet(&frame(json!({ "operation": "TRUNCATE", "event_id": "1-42" }))).unwrap();
        assert_eq!(all.as_str(), r#"2["truncated",{"eventId":"1-42"}]"#);
        assert!(packet(&frame(json!({ "operation": "INSERT", "event_id": "1-42", "room": "a" }))).is_none());
    }
}
