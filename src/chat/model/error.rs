//! What goes wrong with a model. Nothing here repeats what the service said, what it was sent, or where it is: that may
//! hold secrets, and goes into the log with care.

use std::time::Duration;

use reqwest::StatusCode;

use super::{Options, sse::Event};

/// Why the model cannot be asked as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Nobody says which model is to be asked.
    #[error("LLM_MODEL is missing: it says which model is asked")]
    NoModel,
    /// The service asks everybody for a key.
    #[error("LLM_API_KEY is missing; only a service of one's own, at LLM_BASE_URL, may need none")]
    NoKey,
    /// It says something of a service, and no service is asked.
    #[error("{0} is set, but LLM_DIALECT is `echo`, which asks nobody")]
    Unused(&'static str),
    /// The HTTP client cannot be had.
    #[error("models cannot be asked: {0}")]
    Client(#[from] reqwest::Error),
}

impl SetupError {
    /// Finds what is set for a service where there is none: who set it believes that there is one.
    pub(super) fn for_nobody(options: &Options) -> Result<(), Self> {
        let set = [
            ("LLM_BASE_URL", options.base_url.is_some()),
            ("LLM_API_KEY", options.key.is_some()),
            ("LLM_MODEL", options.model.is_some()),
            ("LLM_MODELS", !options.models.is_empty()),
        ];
        let unused = set.into_iter().find(|(_, set)| *set);
        unused.map_or(Ok(()), |(name, _)| Err(Self::Unused(name)))
    }
}

/// Why there is no reply, or no more of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The prompt names a model that may not be asked.
    #[error("the model is none of those that are served here")]
    NotServed,
    /// There is no connection to the service.
    #[error("the model's service cannot be reached")]
    Connect {
        /// It took too long.
        timeout: bool,
    },
    /// The service said nothing for so long.
    #[error("the model was silent for {0:?}")]
    Idle(Duration),
    /// The reply took so long.
    #[error("the reply was not whole after {0:?}")]
    Total(Duration),
    /// The connection broke.
    #[error("the connection to the model's service broke")]
    Broken,
    /// The bytes ended, and nobody had said that the reply is whole.
    #[error("the reply ended before it was whole")]
    Truncated,
    /// The service refused, or failed.
    #[error("the model's service answered {status}")]
    Status {
        /// Its status.
        status: StatusCode,
        /// When it may be asked again, if it said that.
        retry_after: Option<Duration>,
    },
    /// It answered with a page, or the like.
    #[error("the model's service answered with what is no event stream")]
    NoStream,
    /// It failed amid the reply.
    #[error("the model's service reports {}", if *.overloaded { "that it is overloaded" } else { "an error" })]
    Reported {
        /// It has too much to do.
        overloaded: bool,
    },
    /// An event has more bytes than so many.
    #[error("the model's service sent an event of more than {0} bytes")]
    TooLarge(usize),
    /// An event is not what the dialect says.
    #[error("the model's service sent an event that cannot be read")]
    Unreadable,
}

impl ModelError {
    /// What a service says with this event amid a reply; each has its own form for it.
    pub(super) fn reported(event: &Event) -> Self {
        Self::Reported { overloaded: event.data.contains("overloaded") }
    }

    /// What kind it is, as a metric names it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NotServed => "not_served",
            Self::Connect { .. } => "connect",
            Self::Idle(_) => "idle",
            Self::Total(_) => "total",
            Self::Broken => "broken",
            Self::Truncated => "truncated",
            Self::NoStream => "no_stream",
            Self::Reported { overloaded: true } => "overloaded",
            Self::Reported { overloaded: false } => "reported",
            Self::TooLarge(_) => "too_large",
            Self::Unreadable => "unreadable",
            Self::Status { status, .. } => match status.as_u16() {
                401 | 403 => "unauthorized",
                429 => "rate_limited",
                503 | 529 => "overloaded",
                300..=399 => "redirected",
                400..=499 => "rejected",
                _ => "failed",
            },
        }
    }

    /// Whether something took too long.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Connect { timeout: true } | Self::Idle(_) | Self::Total(_))
    }

    /// When the service may be asked again, if it said that.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the service has not begun, and may the next time: nothing is paid twice if it is asked again.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Connect { .. } => true,
            Self::Status { status, .. } => matches!(status.as_u16(), 429 | 503 | 529),
            _ => false,
        }
    }
}
