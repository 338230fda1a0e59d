//! The log of a private server: one file, begun anew at each start, quoted when the server fails.
//!
//! The file is opened by us and handed down, so that it lies in the directory and is ours whoever the server runs as.

use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    process::Stdio,
};

use super::DevError;

/// How many lines of the log an error quotes.
const TAIL_LINES: usize = 10;

/// A server's log.
#[derive(Clone)]
pub(super) struct Log {
    path: PathBuf,
}

impl Log {
    /// Empties the log, or creates it.
    pub(super) fn create(path: PathBuf) -> Result<Self, DevError> {
        File::create(&path).map_err(DevError::file("create", &path))?;
        Ok(Self { path })
    }

    /// The log as the output of a process, which adds to it.
    pub(super) fn output(&self) -> Result<Stdio, DevError> {
        let file = OpenOptions::new().append(true).open(&self.path);
        file.map(Stdio::from).map_err(DevError::file("write", &self.path))
    }

    /// The last lines, for an error.
    pub(super) fn tail(&self) -> String {
        let bytes = std::fs::read(&self.path).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.trim_end().lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
