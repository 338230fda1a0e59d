//! What comes over the bus: one event of two lines, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rowcast::{change::Published, frame::Frame};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let Ok(change) = Published::parse(text) else { return };
    let id = format!("id: {}", change.event_id);
    let frame = Frame::new(change);
    let event = std::str::from_utf8(&frame.bytes).unwrap().strip_suffix("\n\n").unwrap();
    let lines: Vec<&str> = event.split(['\r', '\n']).collect();
    assert!(lines.len() == 2 && lines[0] == id && lines[1].starts_with("data: {"), "{lines:?}");
});
