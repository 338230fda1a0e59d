//! What a node logs, in a file that can be read while it grows.

use std::{fs::File, path::Path};

use serde_json::Value;
use tempfile::NamedTempFile;

use super::until;

/// A node's log.
pub struct Log(NamedTempFile);

impl Log {
    pub fn new() -> Self {
        Self(NamedTempFile::new().unwrap())
    }

    /// For the process that writes it.
    pub fn writer(&self) -> File {
        self.0.reopen().unwrap()
    }

    /// All that has been written.
    pub fn text(&self) -> String {
        let path: &Path = self.0.path();
        std::fs::read_to_string(path).unwrap()
    }

    /// The first line with all these words in it, as soon as it is there.
    pub async fn line(&self, words: &[&str]) -> String {
        let find = || {
            let text = self.text();
            // What comes last may not be whole yet.
            let (whole, _) = text.rsplit_once('\n').unwrap_or_default();
            whole.lines().find(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned)
        };
        until("the line is logged", async || find().is_some()).await;
        find().unwrap()
    }

    /// The same, of a log of JSON.
    pub async fn record(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.line(words).await).expect("a line is JSON")
    }
}
