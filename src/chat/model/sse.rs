//! Server-sent events, from bytes as they come.
//!
//! It takes whatever the standard allows: lines that end in CRLF, LF or CR, each perhaps in the middle of a piece; a
//! byte order mark; comments; data of several lines. A line is looked at when it is whole, so a character may come in
//! any number of pieces. What has not ended yet is held, and must have an end: beyond a number of bytes it is an error.

use std::mem::take;

use bytes::{Buf, Bytes};

/// What an event is called that has no name.
const UNNAMED: &str = "message";

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What kind it is.
    pub name: String,
    /// What it says.
    pub data: String,
}

/// An event has more bytes than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is too large")]
pub struct TooLarge;

/// Reads events.
#[derive(Debug)]
pub struct Decoder {
    /// The most bytes of an event that are held.
    most: usize,
    /// The line that has not ended.
    line: Vec<u8>,
    /// The event that has not ended.
    name: String,
    data: String,
    /// Nothing has ended yet: a byte order mark may come.
    first: bool,
    /// The last line ended in CR: an LF belongs to it.
    after_cr: bool,
}

impl Decoder {
    /// Holds this many bytes of an event at most.
    pub fn new(most: usize) -> Self {
        Self { most, line: Vec::new(), name: String::new(), data: String::new(), first: true, after_cr: false }
    }

    /// Reads up to the end of the next event and takes that off the bytes; or takes them all, if it does not end there.
    ///
    /// # Errors
    /// [`TooLarge`]; then nothing more can be read.
    pub fn next(&mut self, bytes: &mut Bytes) -> Result<Option<Event>, TooLarge> {
        while !bytes.is_empty() {
            if take(&mut self.after_cr) && bytes[0] == b'\n' {
                bytes.advance(1);
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let part = bytes.split_to(end.unwrap_or(bytes.len()));
            if self.line.len() + self.data.len() + part.len() > self.most {
                return Err(TooLarge);
            }
            self.line.extend_from_slice(&part);
            if end.is_some() {
                self.after_cr = bytes.get_u8() == b'\r';
                if let Some(event) = self.end_line() {
                    return Ok(Some(event));
                }
            }
        }
        Ok(None)
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let mark = if take(&mut self.first) { line.strip_prefix('\u{feff}') } else { None };
        let line = mark.unwrap_or(&line);
        if line.is_empty() {
            return self.end_event();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            // A comment has no field; of ids and the like nothing is needed.
            _ => {}
        }
        None
    }

    /// One without data is none.
    fn end_event(&mut self) -> Option<Event> {
        let (mut name, mut data) = (take(&mut self.name), take(&mut self.data));
        data.pop()?;
        if name.is_empty() {
            UNNAMED.clone_into(&mut name);
        }
        Some(Event { name, data })
    }
}

#[cfg(test)]
#[path = "sse_tests.rs"]
mod tests;
