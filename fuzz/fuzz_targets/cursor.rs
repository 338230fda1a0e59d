//! The cursor of a page: one that reads back, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rowcast::cursor::Cursor;

fuzz_target!(|text: &str| {
    let Ok(cursor) = text.parse::<Cursor>() else { return };
    let told = cursor.to_string();
    // A year of five digits has a sign, and is none that RFC 3339 can tell.
    assert!(told.starts_with('+') || told.parse() == Ok(cursor));
});
