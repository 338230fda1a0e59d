//! Timestamps as text: RFC 3339, UTC, always six digits, so that equal instants are equal strings and text order is
//! time order. PostgreSQL keeps microseconds; nothing is lost.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serializer};

/// The one form: `2024-01-01T11:59:00.123456Z`.
pub fn text(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

pub(crate) fn serialize<S: Serializer>(at: &DateTime<Utc>, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(&text(at))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<DateTime<Utc>, D::Error> {
    DateTime::deserialize(input)
}

/// The same for a timestamp that may be missing.
pub(crate) mod optional {
    use super::{DateTime, Deserialize, Deserializer, Serializer, Utc, text};

    pub(crate) fn serialize<S: Serializer>(at: &Option<DateTime<Utc>>, out: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => out.collect_str(&text(at)),
            None => out.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Option<DateTime<Utc>>, D::Error> {
        Option::deserialize(input)
    }
}
