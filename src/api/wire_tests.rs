//! Any body is a message within the limits, or an error that says which field is wrong.

use poem_openapi::types::MaybeUndefined;
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};
use validator::ValidateArgs;

use super::*;
use crate::{
    frame::tests::{damaged, texts, values},
    message::{Limits, MAX_FILE_CHARS, MessagePatch, NewMessage},
};

const LIMITS: Limits = Limits { content_bytes: 40 };

const FIELDS: [&str; 4] = ["content", "file", "sender_id", "room"];

const SENDER: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

/// What a handler does with a body.
fn accept<T>(body: &[u8]) -> Result<T, ApiError>
where
    T: DeserializeOwned + for<'v> ValidateArgs<'v, Args = &'v Limits>,
{
    let value: T = parse(body)?;
    check(value.validate_with_args(&LIMITS))?;
    Ok(value)
}

/// The fields that a body is refused for; none if it is taken.
fn blamed<T>(body: &Value) -> Vec<String>
where
    T: DeserializeOwned + for<'v> ValidateArgs<'v, Args = &'v Limits>,
{
    match accept::<T>(body.to_string().as_bytes()) {
        Ok(_) => Vec::new(),
        Err(ApiError::Invalid(fields)) => fields.into_iter().map(|error| error.field).collect(),
        Err(error) => panic!("{body}: {error}"),
    }
}

/// Texts that are near the limits, on either side.
fn near_texts() -> impl Strategy<Value = Value> {
    let length = prop_oneof![0..2usize, 39..42usize, 49..52usize, 63..66usize];
    let near = (select(vec!["a", "ä", "\0", " "]), length).prop_map(|(letter, length)| letter.repeat(length));
    prop_oneof![near, texts()].prop_map(Value::from)
}

/// Objects that are nearly messages.
fn near_messages() -> impl Strategy<Value = Value> {
    let sender = prop_oneof![4 => Just(json!(SENDER)), 1 => near_texts()];
    let field = prop_oneof![
        3 => (select(FIELDS.as_slice()).prop_map(str::to_owned), near_texts()),
        3 => sender.prop_map(|sender| ("sender_id".to_owned(), sender)),
        1 => (select(FIELDS.as_slice()).prop_map(str::to_owned), values()),
        1 => (texts(), values()),
    ];
    let filled = json!({ "content": "a", "sender_id": SENDER }).as_object().unwrap().clone();
    let some = prop_oneof![Just(filled), Just(serde_json::Map::new())];
    (some, prop::collection::vec(field, 0..3)).prop_map(|(mut object, fields)| {
        object.extend(fields);
        Value::Object(object)
    })
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..64),
        1 => values().prop_map(|value| value.to_string().into_bytes()),
        4 => near_messages().prop_map(|value| value.to_string().into_bytes()),
        2 => damaged(near_messages().prop_map(|value| value.to_string())),
    ]
}

/// An error that says what is wrong: the text is no JSON, or a field that is there or ought to be.
fn assert_says_why(error: &ApiError, body: &[u8]) {
    let value = serde_json::from_slice::<Value>(body);
    let fields = match error {
        ApiError::Malformed(why) => return assert!(value.is_err() && !why.is_empty(), "{value:?} is JSON: {why}"),
        ApiError::Invalid(fields) => fields,
        error => panic!("{error:?}"),
    };
    assert!(!fields.is_empty());
    for FieldError { field, detail } in fields {
        let ours = FIELDS.contains(&field.as_str()) || field == "body";
        let theirs = value.as_ref().map_or(true, |value| value.get(field).is_some());
        assert!(ours || theirs, "{field} is nothing of {value:?}");
        assert!(!detail.is_empty() && !detail.contains(" at line "), "{detail}");
    }
}

fn is_text(text: &str) -> bool {
    !text.contains('\0')
}

fn is_content(content: &str) -> bool {
    (1..=LIMITS.content_bytes).contains(&content.len()) && is_text(content)
}

fn is_file(file: &str) -> bool {
    file.chars().count() <= MAX_FILE_CHARS && is_text(file)
}

fn contents() -> impl Strategy<Value = String> {
    "[^\0]{1,10}".prop_filter("bytes", |content| is_content(content))
}

fn new_messages() -> impl Strategy<Value = NewMessage> {
    let fields = (contents(), prop::option::of("[^\0]{0,50}"), any::<u128>(), "[A-Za-z0-9_.:@-]{1,64}");
    fields.prop_map(|(content, file, sender_id, room)| NewMessage {
        content,
        file,
        sender_id: uuid::Uuid::from_u128(sender_id),
        room,
    })
}

/// What takes one field of a message past its limit.
fn faults() -> impl Strategy<Value = (&'static str, Value)> {
    let file = |letter: &str| json!(letter.repeat(MAX_FILE_CHARS + 1));
    select(vec![
        ("content", json!("")),
        ("content", json!("a".repeat(LIMITS.content_bytes + 1))),
        ("content", json!("ä".repeat(LIMITS.content_bytes / 2 + 1))),
        ("content", json!("a\0")),
        ("content", json!(null)),
        ("content", json!(7)),
        ("file", file("a")),
        ("file", file("ä")),
        ("file", json!("\0")),
        ("file", json!([])),
        ("more", json!(null)),
    ])
}

/// What only a new message can have wrong.
fn new_faults() -> impl Strategy<Value = (&'static str, Value)> {
    let faults_of_new = select(vec![
        ("sender_id", json!("me")),
        ("sender_id", json!(null)),
        ("room", json!("")),
        ("room", json!("a b")),
        ("room", json!("a\n")),
        ("room", json!("ä")),
        ("room", json!("a".repeat(65))),
        ("room", json!(null)),
    ]);
    prop_oneof![faults(), faults_of_new]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_body_is_a_new_message_within_the_limits_or_an_error(body in bodies()) {
        match accept::<NewMessage>(&body) {
            Ok(NewMessage { content, file, room, .. }) => {
                prop_assert!(is_content(&content) && file.is_none_or(|file| is_file(&file)));
                let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:@-".contains(&byte);
                prop_assert!((1..=64).contains(&room.len()) && room.bytes().all(allowed));
            }
            Err(error) => assert_says_why(&error, &body),
        }
    }

    #[test]
    fn any_body_is_a_patch_within_the_limits_or_an_error(body in bodies()) {
        match accept::<MessagePatch>(&body) {
            Ok(MessagePatch { content, file }) => {
                prop_assert!(content.is_none_or(|content| is_content(&content)));
                prop_assert!(file.value().is_none_or(|file| is_file(file)));
            }
            Err(error) => assert_says_why(&error, &body),
        }
    }

    #[test]
    fn a_new_message_is_read_back(message in new_messages(), spread: bool) {
        let body = if spread { serde_json::to_vec_pretty(&message) } else { serde_json::to_vec(&message) };
        prop_assert_eq!(accept::<NewMessage>(&body.unwrap()).unwrap(), message);
    }

    #[test]
    fn a_patch_is_read_back(
        content in prop::option::of(contents()),
        file in prop::option::of(prop::option::of("[^\0]{0,50}")),
    ) {
        let mut body = serde_json::Map::new();
        body.extend(content.clone().map(|content| ("content".to_owned(), json!(content))));
        body.extend(file.clone().map(|file| ("file".to_owned(), json!(file))));
        let given = |file: Option<String>| file.map_or(MaybeUndefined::Null, MaybeUndefined::Value);
        let file = file.map_or(MaybeUndefined::Undefined, given);
        let patch = accept::<MessagePatch>(Value::Object(body).to_string().as_bytes()).unwrap();
        prop_assert_eq!(patch, MessagePatch { content, file });
    }

    #[test]
    fn a_field_that_is_wrong_is_named(message in new_messages(), new_fault in new_faults(), fault in faults()) {
        let mut body = serde_json::to_value(&message).unwrap();
        prop_assert_eq!(blamed::<NewMessage>(&body), [""; 0]);
        body[new_fault.0] = new_fault.1;
        prop_assert_eq!(blamed::<NewMessage>(&body), [new_fault.0]);
        let mut body = json!({ "content": message.content, "file": message.file });
        prop_assert_eq!(blamed::<MessagePatch>(&body), [""; 0]);
        body[fault.0] = fault.1;
        prop_assert_eq!(blamed::<MessagePatch>(&body), [fault.0]);
    }

    #[test]
    fn a_field_that_is_missing_or_there_twice_is_named(
        message in new_messages(),
        missing in select(vec!["content", "sender_id"]),
        twice in select(FIELDS.as_slice()),
    ) {
        let whole = serde_json::to_value(&message).unwrap();
        let mut body = whole.clone();
        body.as_object_mut().unwrap().remove(missing);
        prop_assert_eq!(blamed::<NewMessage>(&body), [missing]);
        let body = whole.to_string().replacen('{', &format!("{{\"{twice}\":{},", whole[twice]), 1);
        let error = accept::<NewMessage>(body.as_bytes()).unwrap_err();
        prop_assert!(matches!(&error, ApiError::Invalid(fields) if fields[0].field == twice), "{}", error);
    }
}
