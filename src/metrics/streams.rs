//! Streams: how they begin, and how they end.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::{Why, add, known};

/// Streams that begin and end.
pub struct Streams {
    /// Streams that began.
    pub opened: Counter,
    ended: Family<Why, Counter>,
    /// Sockets that the system closed, since their client had taken nothing for the write timeout.
    pub slow_closes: Counter,
    resumes: Family<Resume, Counter>,
    resets: Family<Why, Counter>,
    /// Pauses of streams that resume faster than they all together may.
    pub resume_waits: Counter,
}

/// Where it was found out whether a client can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The node's own memory.
    Ring,
    /// PostgreSQL.
    Log,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on where it left off.
    Resumed,
    /// It has to read anew.
    Reset,
    /// It has to come again.
    Refused,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Resume {
    source: &'static str,
    outcome: &'static str,
}

impl Resume {
    const fn of(source: Source, outcome: Outcome) -> Self {
        let source = match source {
            Source::Ring => "ring",
            Source::Log => "log",
        };
        let outcome = match outcome {
            Outcome::Resumed => "resumed",
            Outcome::Reset => "reset",
            Outcome::Refused => "refused",
        };
        Self { source, outcome }
    }
}

impl Streams {
    pub(super) fn new(to: &mut Registry) -> Self {
        let streams = Self {
            opened: add(to, "streams_opened", "Streams that began"),
            ended: add(
                to,
                "streams_ended",
                "Streams that ended: the node went away (bye), the caller's time was up (expired), the log could not \
                 be read (log), the client went away (client) or took nothing for WRITE_TIMEOUT (slow)",
            ),
            slow_closes: add(
                to,
                "slow_closes",
                "Sockets, and answers of HTTP/2, whose client took nothing for WRITE_TIMEOUT",
            ),
            resumes: add(
                to,
                "resumes",
                "Clients that came back with a position: whether memory (ring) or PostgreSQL (log) could judge it, and \
                 whether they go on (resumed), read anew (reset) or come again (refused)",
            ),
            resets: add(to, "resets", "Streams told to read anew: their position is too old, or of another generation"),
            resume_waits: add(to, "resume_waits", "Pauses of streams that resume, for RESUME_RATE"),
        };
        known(&streams.ended, &["bye", "expired", "log", "client", "slow"]);
        known(&streams.resets, &["expired", "generation"]);
        for source in [Source::Ring, Source::Log] {
            for outcome in [Outcome::Resumed, Outcome::Reset, Outcome::Refused] {
                drop(streams.resumes.get_or_create(&Resume::of(source, outcome)));
            }
        }
        streams
    }

    /// A stream ended; each does once.
    pub fn ended(&self, reason: &'static str) {
        self.ended.get_or_create(&Why { reason }).inc();
    }

    /// A stream was told to read anew.
    pub fn reset(&self, reason: &'static str) {
        self.resets.get_or_create(&Why { reason }).inc();
    }

    /// A client came back.
    pub fn came_back(&self, source: Source, outcome: Outcome) {
        self.resumes.get_or_create(&Resume::of(source, outcome)).inc();
    }
}
