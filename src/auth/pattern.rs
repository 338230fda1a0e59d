//! The pattern: which rooms a right is for.
//!
//! A name, in which `*` stands for any characters, or none. It is matched piece by piece from the left, each at the
//! first place where it fits: where only `*` is special no later place could do better, so nothing is ever tried again,
//! and a pattern that someone made to be slow is not.

use std::fmt;

/// The longest pattern: a room's name has at most 64 characters, and a few `*` may stand between them.
const LONGEST: usize = 128;

/// The rooms of a right, like `lobby`, `team-*` or `*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern, if the text can be one.
    pub fn new(text: &str) -> Option<Self> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:@-*".contains(c);
        let fits = !text.is_empty() && text.len() <= LONGEST && text.chars().all(allowed);
        fits.then(|| Self(text.to_owned()))
    }

    /// Whether it is for every room.
    pub fn is_everything(&self) -> bool {
        self.0.bytes().all(|byte| byte == b'*')
    }

    /// The one room that it is for, if it is one.
    pub fn room(&self) -> Option<&str> {
        (!self.0.contains('*')).then_some(&self.0)
    }

    /// Whether it is for this room.
    pub fn matches(&self, room: &str) -> bool {
        let Some((begin, rest)) = self.0.split_once('*') else { return self.0 == room };
        let (pieces, end) = rest.rsplit_once('*').unwrap_or(("", rest));
        let between = room.strip_prefix(begin).and_then(|room| room.strip_suffix(end));
        between.is_some_and(|mut between| {
            pieces.split('*').all(|piece| match between.split_once(piece) {
                // Of an empty piece (`**`) this is the text itself.
                Some((_, after)) => {
                    between = after;
                    true
                }
                None => false,
            })
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
#[path = "pattern_tests.rs"]
mod tests;
