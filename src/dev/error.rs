//! What can go wrong when the private servers are started: each error is a sentence for the person at the terminal.

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

/// Why the private servers do not run.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// Another process holds the directory's lock.
    #[error("{} is in use by another rowcast: stop that one first, or choose another directory", dir.display())]
    Busy {
        /// The directory.
        dir: PathBuf,
    },

    /// A program is not on this machine.
    #[error("the program `{program}` is not installed: run `make services`, or install the package `{package}`")]
    Missing {
        /// The program that was looked for.
        program: &'static str,
        /// The package that brings it on Debian and Ubuntu.
        package: &'static str,
    },

    /// There is no account that the servers could run as.
    #[error("PostgreSQL does not run as root, and this machine has neither an account `postgres` nor `nobody`")]
    NoAccount,

    /// A file or directory cannot be used.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried, as a verb: "read", "create".
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },

    /// A process could not be started, or not be waited for.
    #[error("cannot {action} {name}: {source}")]
    Process {
        /// What was tried, as a verb: "start", "wait for".
        action: &'static str,
        /// The server or tool.
        name: &'static str,
        /// What the system answered.
        source: io::Error,
    },

    /// A server ended by itself, or a tool failed.
    #[error("{name} ended ({status}); its log, {}, ends with:\n{tail}", log.display())]
    Ended {
        /// The server or tool.
        name: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// Where its log is.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },

    /// A server runs but does not become ready.
    #[error("{name} is not ready after {waited:?}; its log, {}, ends with:\n{tail}", log.display())]
    TooSlow {
        /// The server.
        name: &'static str,
        /// How long it was waited for.
        waited: Duration,
        /// Where its log is.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
}

impl DevError {
    /// For `map_err`: what was tried with which path.
    pub(super) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    /// For `map_err`: what was tried with which process.
    pub(super) fn process(action: &'static str, name: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Process { action, name, source }
    }
}
