//! The events of a model's service: the same however they are cut, and never more held than the bound.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rowcast::chat::model::sse::{Decoder, Event, TooLarge};

const MOST: usize = 256;

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Event>, TooLarge> {
    let (mut decoder, mut events) = (Decoder::new(MOST), Vec::new());
    for piece in pieces {
        let mut bytes = piece.to_vec().into();
        while let Some(event) = decoder.next(&mut bytes)? {
            events.push(event);
        }
    }
    Ok(events)
}

fuzz_target!(|bytes: &[u8]| {
    let whole = read([bytes].into_iter());
    assert_eq!(read(bytes.chunks(1)), whole);
    for Event { name, data } in whole.into_iter().flatten() {
        // What is no text becomes three bytes for one.
        assert!(!name.is_empty() && !name.contains(['\r', '\n']) && data.len() <= 3 * MOST);
    }
});
