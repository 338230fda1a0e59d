//! `Last-Event-ID`: an id that reads back, or an error; alike in JSON.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rowcast::change::EventId;

fuzz_target!(|text: &str| {
    let parsed = text.parse::<EventId>();
    if let Ok(id) = parsed {
        assert!(id >= EventId::new(0, 0));
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    let json = serde_json::Value::from(text);
    assert_eq!(serde_json::from_value::<EventId>(json).ok(), parsed.ok());
});
