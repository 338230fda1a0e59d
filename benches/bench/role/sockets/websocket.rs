//! As much of WebSocket (RFC 6455) as a client needs whose server says short texts, each in one frame.

/// The length of a payload that is in two, or in eight, bytes more.
const TWO: u8 = 126;
const EIGHT: u8 = 127;

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;

/// Asks for the upgrade.
pub fn request(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A text as a frame. Its mask is zero: it says the same with it as without.
pub fn text(text: &str) -> Vec<u8> {
    let mut frame = vec![FINAL | TEXT];
    match text.len() {
        short @ 0..126 => frame.push(MASKED | short as u8),
        long => {
            frame.push(MASKED | TWO);
            frame.extend(u16::try_from(long).expect("we say nothing long").to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

/// What comes.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    Text(&'a [u8]),
    Close,
}

/// The first frame of these bytes, and the rest; none while its end has not come.
pub fn first(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let (&[kind, short], rest) = bytes.split_first_chunk()?;
    assert_eq!(short & MASKED, 0, "a server masks nothing");
    let (length, rest) = match short {
        TWO => rest.split_first_chunk().map(|(&length, rest)| (usize::from(u16::from_be_bytes(length)), rest))?,
        EIGHT => rest.split_first_chunk().map(|(&length, rest)| (u64::from_be_bytes(length) as usize, rest))?,
        short => (usize::from(short), rest),
    };
    let (payload, rest) = rest.split_at_checked(length)?;
    match kind.checked_sub(FINAL) {
        Some(TEXT) => Some((Frame::Text(payload), rest)),
        Some(CLOSE) => Some((Frame::Close, rest)),
        _ => panic!("a frame of another kind: {kind:#x}"),
    }
}
