//! JSON bodies: a message within the limits, or an error; and a new message reads back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rowcast::message::{Limits, MAX_FILE_CHARS, MessagePatch, NewMessage, is_room};
use validator::ValidateArgs;

const LIMITS: Limits = Limits { content_bytes: 64 };

fn is_within(content: Option<&String>, file: Option<&String>) -> bool {
    content.is_none_or(|content| (1..=LIMITS.content_bytes).contains(&content.len()) && !content.contains('\0'))
        && file.is_none_or(|file| file.chars().count() <= MAX_FILE_CHARS && !file.contains('\0'))
}

fuzz_target!(|body: &[u8]| {
    if let Ok(message) = serde_json::from_slice::<NewMessage>(body)
        && message.validate_with_args(&LIMITS).is_ok()
    {
        assert!(is_within(Some(&message.content), message.file.as_ref()) && is_room(&message.room));
        let again = serde_json::to_vec(&message).unwrap();
        assert_eq!(serde_json::from_slice::<NewMessage>(&again).unwrap(), message);
    }
    if let Ok(patch) = serde_json::from_slice::<MessagePatch>(body)
        && patch.validate_with_args(&LIMITS).is_ok()
    {
        assert!(is_within(patch.content.as_ref(), patch.file.value()));
    }
});
