//! The messages of the demo: a file with one JSON object a line, or a few lines that are built in.

use std::path::Path;

use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};
use tokio::{
    fs::File,
    io::{AsyncBufRead, AsyncBufReadExt, BufReader},
};
use uuid::Uuid;

/// What is posted if no file is named.
const SAMPLE: &str = r#"
{"room": "lobby", "content": "Hello! Is anybody here?"}
{"room": "lobby", "sender_id": "5b0c7a52-6c0e-4b53-9d5e-0f3f0a4d7c11", "content": "Yes. Every row is a message, you know."}
{"room": "kitchen", "sender_id": "5b0c7a52-6c0e-4b53-9d5e-0f3f0a4d7c11", "content": "Who took the last coffee?"}
{"room": "lobby", "content": "Even one that I write with psql?"}
{"room": "lobby", "sender_id": "5b0c7a52-6c0e-4b53-9d5e-0f3f0a4d7c11", "content": "Even that. Try it! ☕"}
{"room": "kitchen", "content": "It was me. 新しいのを淹れます。"}
"#;

/// Who writes a message that does not say it.
const DEMO_SENDER: Uuid = Uuid::from_u128(0xd340_d340_d340_4340_8340_d340_d340_d340);

type Reader = Box<dyn AsyncBufRead + Send + Unpin>;

/// A message as the file has it and as it is posted.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) room: String,
    #[serde(default = "demo_sender")]
    sender_id: Uuid,
    content: String,
}

fn demo_sender() -> Uuid {
    DEMO_SENDER
}

/// A message and where it stands.
pub(super) struct Line {
    /// The file and the number of the line, for errors.
    pub(super) place: String,
    pub(super) message: Message,
}

/// The messages of the file, in order; empty lines are skipped.
pub(super) struct Lines {
    name: String,
    lines: tokio::io::Lines<Reader>,
    number: usize,
    left: usize,
}

impl Lines {
    /// Opens `file`, or the sample, to read at most `limit` messages.
    pub(super) async fn open(file: Option<&Path>, limit: Option<usize>) -> anyhow::Result<Self> {
        let (name, reader) = match file {
            Some(path) => (path.display().to_string(), read(path).await?),
            None => ("the sample".to_owned(), Box::new(SAMPLE.as_bytes()) as Reader),
        };
        Ok(Self { name, lines: reader.lines(), number: 0, left: limit.unwrap_or(usize::MAX) })
    }

    /// The next message. An error says where it is.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Line>> {
        while self.left > 0 {
            self.number += 1;
            let place = format!("{}:{}", self.name, self.number);
            let Some(text) = self.lines.next_line().await.context(place.clone())? else { break };
            if text.trim().is_empty() {
                continue;
            }
            self.left -= 1;
            return Ok(Some(Line { message: parse(&text, &place)?, place }));
        }
        Ok(None)
    }
}

fn parse(text: &str, place: &str) -> anyhow::Result<Message> {
    serde_json::from_str(text).map_err(|error| {
        // The parser counts lines too, but has seen only one.
        let words = error.to_string();
        let what = words.split(" at line ").next().unwrap_or_default();
        anyhow!("{place}:{}: not a message: {what}", error.column())
    })
}

async fn read(path: &Path) -> anyhow::Result<Reader> {
    let file = File::open(path).await.with_context(|| format!("cannot open {}", path.display()))?;
    Ok(Box::new(BufReader::new(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_sample_can_be_read() {
        let mut lines = Lines::open(None, None).await.unwrap();
        let mut count = 0;
        while let Some(line) = lines.next().await.unwrap() {
            assert!(!line.message.content.is_empty());
            count += 1;
        }
        assert_eq!(count, 6);
    }

    #[tokio::test]
    async fn a_mistake_is_shown_where_it_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "{\"room\":\"a\",\"content\":\"b\"}\n\n{\"room\":\"a\"}\n").unwrap();
        let mut lines = Lines::open(Some(file.path()), None).await.unwrap();
        assert_eq!(lines.next().await.unwrap().unwrap().message.sender_id, DEMO_SENDER);
        let error = lines.next().await.err().unwrap().to_string();
        assert!(error.ends_with(":3:12: not a message: missing field `content`"), "{error}");
    }
}
