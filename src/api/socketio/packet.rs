//! The packets of Socket.IO (protocol 5) as text, of the one namespace that there is.
//!
//! A packet is a digit for its kind, perhaps a namespace, perhaps the number by which its sender knows the answer, and
//! JSON. Packets with bytes beside the text are told apart, and not put together: no request of ours has any.

use std::fmt;

use engineioxide::Str;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// What a client may send.
#[derive(Debug)]
pub(super) enum Packet {
    /// It wants in; with what it says of itself.
    Connect(Option<Box<RawValue>>),
    /// It wants into a namespace that is not there.
    Elsewhere(String),
    /// It leaves, but keeps its transport.
    Disconnect,
    /// It asks for something.
    Event(Event),
    /// Something that is of no interest.
    Nothing,
    /// It is no packet.
    Bad,
}

/// A request.
#[derive(Debug)]
pub(super) struct Event {
    /// What is asked for.
    pub name: String,
    /// The first argument.
    pub body: Option<Box<RawValue>>,
    /// The number under which an answer is expected.
    pub ack: Option<u64>,
    /// It has bytes beside its text.
    pub binary: bool,
}

/// It is no packet.
#[derive(Debug, thiserror::Error)]
#[error("no packet of Socket.IO")]
pub(super) struct BadPacket;

impl Packet {
    /// Reads a packet.
    ///
    /// # Errors
    /// [`BadPacket`].
    pub(super) fn parse(text: &str) -> Result<Self, BadPacket> {
        let kind = text.bytes().next().ok_or(BadPacket)?;
        let mut rest = text.get(1..).ok_or(BadPacket)?;
        let binary = matches!(kind, b'5' | b'6');
        if binary {
            let (count, after) = digits(rest);
            rest = after.strip_prefix('-').filter(|_| !count.is_empty()).ok_or(BadPacket)?;
        }
        let (namespace, rest) = namespace(rest);
        if namespace != "/" {
            return Ok(if kind == b'0' { Self::Elsewhere(namespace.to_owned()) } else { Self::Nothing });
        }
        match kind {
            b'0' if rest.is_empty() => Ok(Self::Connect(None)),
            b'0' => serde_json::from_str(rest).map(|auth| Self::Connect(Some(auth))).map_err(|_| BadPacket),
            b'1' if rest.is_empty() => Ok(Self::Disconnect),
            b'2' | b'5' => event(rest, binary).map(Self::Event),
            // An answer to a question that we have not asked.
            b'3' | b'6' => Ok(Self::Nothing),
            _ => Err(BadPacket),
        }
    }
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// The namespace that a packet is for, without its query, and the rest.
fn namespace(text: &str) -> (&str, &str) {
    if !text.starts_with('/') {
        return ("/", text);
    }
    let (name, rest) = text.split_once(',').unwrap_or((text, ""));
    (name.split('?').next().unwrap_or(name), rest)
}

fn event(text: &str, binary: bool) -> Result<Event, BadPacket> {
    let (number, json) = digits(text);
    let ack = match number {
        "" => None,
        number => Some(number.parse().map_err(|_| BadPacket)?),
    };
    let Arguments { name, body } = serde_json::from_str(json).map_err(|_| BadPacket)?;
    Ok(Event { name, body, ack, binary })
}

/// The name of an event and its first argument; what else there is, is passed over.
struct Arguments {
    name: String,
    body: Option<Box<RawValue>>,
}

impl<'de> Deserialize<'de> for Arguments {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Arguments;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Arguments, A::Error> {
                let name = list.next_element()?.ok_or_else(|| serde::de::Error::invalid_length(0, &self))?;
                let body = list.next_element()?;
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Arguments { name, body })
            }
        }
        input.deserialize_seq(List)
    }
}

/// That a client is in, and what it is called.
pub(super) fn connected(id: &str) -> Str {
    #[derive(Serialize)]
    struct Connected<'a> {
        sid: &'a str,
    }
    text("0", &Connected { sid: id })
}

/// Why a client is not let in.
pub(super) fn refused(namespace: &str, message: &str, data: Option<&impl Serialize>) -> Str {
    #[derive(Serialize)]
    struct Refused<'a, T> {
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<&'a T>,
    }
    let to = if namespace == "/" { "4".to_owned() } else { format!("4{namespace},") };
    text(&to, &Refused { message, data })
}

/// That a client is no longer in.
pub(super) fn disconnected() -> Str {
    "1".into()
}

/// Something that has happened.
pub(super) fn told(event: &str, body: &impl Serialize) -> Str {
    text("2", &(event, body))
}

/// The answer to a request.
pub(super) fn answer(ack: u64, body: &impl Serialize) -> Str {
    text(&format!("3{ack}"), &[body])
}

fn text(begin: &str, body: &impl Serialize) -> Str {
    let mut bytes = begin.as_bytes().to_vec();
    // What we say is texts, numbers, and JSON that we have read: there is nothing that JSON does not hold.
    let _ = serde_json::to_writer(&mut bytes, body);
    String::from_utf8(bytes).unwrap_or_default().into()
}

#[cfg(test)]
#[path = "packet_tests.rs"]
mod tests;
