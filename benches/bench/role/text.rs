//! The text of a session, as its producer has written it or a reader has had it: so many chunks, and a checksum. A
//! reader that is given a chunk out of order ends the benchmark.

use memchr::memmem;
use serde::{Deserialize, Serialize};

/// What of an event precedes its number, and its text, which needs no escapes here.
const NUMBER: &[u8] = b"\"chunk_id\":";
const TEXT: &[u8] = b"\"chunk\":\"";

/// A text, chunk by chunk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    pub chunks: u64,
    /// FNV-1a of all its bytes.
    sum: u64,
}

impl Text {
    /// The next chunk.
    pub fn push(&mut self, chunk: &[u8]) {
        self.chunks += 1;
        self.sum = chunk.iter().fold(self.sum, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    }
}

/// What a reader has had.
#[derive(Default)]
pub struct Reading {
    pub text: Text,
    /// The beginning of an event whose end has not come.
    cut: Vec<u8>,
}

impl Reading {
    /// Reads on.
    pub fn take(&mut self, bytes: &[u8]) {
        let mut joined = std::mem::take(&mut self.cut);
        joined.extend_from_slice(bytes);
        let mut bytes = &*joined;
        while let Some(end) = memmem::find(bytes, b"\n\n") {
            self.event(&bytes[..end]);
            bytes = &bytes[end + 2..];
        }
        self.cut.extend_from_slice(bytes);
    }

    fn event(&mut self, event: &[u8]) {
        let Some(text) = memmem::find(event, TEXT).map(|at| &event[at + TEXT.len()..]) else { return };
        let number = memmem::find(event, NUMBER).map(|at| &event[at + NUMBER.len()..]).expect("a chunk has a number");
        let number = number.split(|byte| !byte.is_ascii_digit()).next().unwrap();
        let number: u64 = std::str::from_utf8(number).unwrap().parse().unwrap();
        assert_eq!(number, self.text.chunks, "a reader was given a chunk out of order");
        self.text.push(text.split(|byte| *byte == b'"').next().unwrap());
    }
}
