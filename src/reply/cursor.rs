//! The cursor: where a reader of a session left off. It is the `id:` of the last event that it has seen.

use std::{fmt, str::FromStr};

use super::ChunkId;

/// Where a reader left off, as `id:` and `Last-Event-ID` have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// It has seen all chunks up to this one.
    Chunk(ChunkId),
    /// It has seen how the session ended.
    End,
}

/// What was given is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the id of an earlier event: a number, or `end`")]
pub struct BadCursor;

/// The `id:` of the event that ends a session.
pub const END: &str = "end";

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        if text == END {
            return Ok(Self::End);
        }
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten();
        // A stream of Redis counts to 2^64, and the chunk after this one must have a number too.
        number.filter(|&number: &ChunkId| number < i64::MAX as u64).map(Self::Chunk).ok_or(BadCursor)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chunk(id) => write!(f, "{id}"),
            Self::End => f.write_str(END),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_is_read_back(id in 0..i64::MAX as u64) {
            prop_assert_eq!(Cursor::Chunk(id).to_string().parse(), Ok(Cursor::Chunk(id)));
            prop_assert_eq!(Cursor::End.to_string().parse(), Ok(Cursor::End));
        }

        #[test]
        fn only_digits_and_the_end_make_a_cursor(text in "[-+ 0-9a-ed\r\n]{0,21}|end|[0-9]{18,22}") {
            match text.parse::<Cursor>() {
                Ok(Cursor::Chunk(id)) => prop_assert_eq!(text.parse(), Ok(id)),
                Ok(Cursor::End) => prop_assert_eq!(text, "end"),
                Err(BadCursor) => prop_assert!(text.parse::<i64>().is_err() || !text.bytes().all(|b| b.is_ascii_digit())
                    || text.parse::<i64>() == Ok(i64::MAX)),
            }
        }
    }
}
