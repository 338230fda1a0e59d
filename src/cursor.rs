//! The cursor of `GET /message`: where a page ended, as a text that a person can read.
//!
//! Pages go by key, not by offset: constant cost at any depth, and rows that arrive meanwhile shift nothing. The key is
//! (created_date, id), because many rows may share a timestamp (one transaction, one `now()`). A bare timestamp is
//! accepted too and means "strictly older than this instant".

use std::{fmt, str::FromStr};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use crate::timestamp;

/// A place in the messages, newest first; a page holds what comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The `created_date` of the last message seen.
    pub created_date: DateTime<Utc>,
    /// Its id; none for a bare timestamp.
    pub id: Option<i64>,
}

/// What was given is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a `next_cursor` of an earlier page, or an RFC 3339 timestamp")]
pub struct BadCursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&timestamp::text(&self.created_date))?;
        self.id.map_or(Ok(()), |id| write!(f, "_{id}"))
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (time, id) = match text.split_once('_') {
            Some((time, id)) => (time, Some(id.parse().map_err(|_| BadCursor)?)),
            None => (text, None),
        };
        // A `+` that was not escaped in a URL arrives as a space.
        let time = DateTime::parse_from_rfc3339(&time.replace(' ', "+")).map_err(|_| BadCursor)?;
        let created_date = match (time.with_timezone(&Utc), id) {
            // All that is older than an instant within a microsecond is older than the next one.
            (time, None) => ceil(time).ok_or(BadCursor)?,
            (time, Some(_)) => time.trunc_subsecs(6),
        };
        Ok(Self { created_date, id })
    }
}

/// The instant, or the next one that PostgreSQL can hold.
fn ceil(time: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let whole = time.trunc_subsecs(6);
    if whole == time { Some(time) } else { whole.checked_add_signed(TimeDelta::microseconds(1)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::tests::damaged;
    use chrono::Datelike;
    use proptest::prelude::*;

    fn instants() -> impl Strategy<Value = DateTime<Utc>> {
        // Years 0001 to 9999, in microseconds: what the table accepts.
        (-62_135_596_800_000_000_i64..253_402_300_800_000_000)
            .prop_map(|micros| DateTime::from_timestamp_micros(micros).unwrap())
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(created_date in instants(), id in any::<Option<i64>>()) {
            let cursor = Cursor { created_date, id };
            prop_assert_eq!(cursor.to_string().parse::<Cursor>(), Ok(cursor));
        }

        #[test]
        fn any_text_is_a_cursor_or_an_error(text in ".*") {
            let _ = text.parse::<Cursor>();
        }

        #[test]
        fn what_is_nearly_a_cursor_is_one_or_an_error(
            text in damaged((instants(), any::<Option<i64>>()).prop_map(|(created_date, id)| {
                Cursor { created_date, id }.to_string()
            })),
        ) {
            if let Ok(cursor) = String::from_utf8_lossy(&text).parse::<Cursor>() {
                prop_assert_eq!(cursor.created_date.timestamp_subsec_nanos() % 1000, 0);
                // A year of five digits is none that RFC 3339 can tell.
                let told = (0..10_000).contains(&cursor.created_date.year());
                prop_assert!(!told || cursor.to_string().parse() == Ok(cursor));
            }
        }
    }

    #[test]
    fn an_offset_that_lost_its_plus_is_understood() {
        let cursor: Cursor = "2024-01-01T12:59:00 01:00".parse().unwrap();
        assert_eq!(cursor.to_string(), "2024-01-01T11:59:00.000000Z");
    }
}
