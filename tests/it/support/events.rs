//! A client of `/stream` that reads as the standard says, and keeps what a browser would keep.

use std::collections::VecDeque;

use futures_util::StreamExt;
use serde_json::Value;

use super::soon;

/// An event, as a browser's `onmessage` would get it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The last event id after it.
    pub id: String,
    /// The text of its data.
    pub text: String,
}

impl Event {
    /// Its data.
    pub fn data(&self) -> Value {
        serde_json::from_str(&self.text).expect("data is JSON")
    }

    /// Its type.
    pub fn kind(&self) -> String {
        self.data()["type"].as_str().expect("data has a type").to_owned()
    }

    /// The content of the message that it tells of.
    pub fn content(&self) -> String {
        self.data()["data"]["content"].as_str().expect("a message's content").to_owned()
    }

    /// The number in its id.
    pub fn position(&self) -> i64 {
        self.id.rsplit_once('-').expect("an id").1.parse().expect("a position")
    }
}

/// An open stream.
pub struct Events {
    response: std::pin::Pin<Box<dyn futures_util::Stream<Item = reqwest::Result<bytes::Bytes>> + Send>>,
    /// Bytes after the last whole line.
    rest: Vec<u8>,
    ready: VecDeque<Event>,
    data: Option<String>,
    /// What the client would send as `Last-Event-ID`.
    pub last_event_id: String,
    /// The `retry:` it was told.
    pub retry: Option<u64>,
    /// Comment lines seen.
    pub comments: usize,
}

impl Events {
    pub fn new(response: reqwest::Response) -> Self {
        Self {
            response: Box::pin(response.bytes_stream()),
            rest: Vec::new(),
            ready: VecDeque::new(),
            data: None,
            last_event_id: String::new(),
            retry: None,
            comments: 0,
        }
    }

    /// The next event, which must come soon.
    #[track_caller]
    pub fn next(&mut self) -> impl Future<Output = Event> {
        let next = soon("an event", self.try_next());
        async move { next.await.expect("the stream goes on") }
    }

    /// The next event; none when the stream has ended.
    pub async fn try_next(&mut self) -> Option<Event> {
        while self.ready.is_empty() {
            self.read().await?;
        }
        self.ready.pop_front()
    }

    /// The next `count` events.
    pub async fn take(&mut self, count: usize) -> Vec<Event> {
        let mut events = Vec::with_capacity(count);
        while events.len() < count {
            events.push(self.next().await);
        }
        events
    }

    /// Waits for the next comment line.
    pub async fn comment(&mut self) {
        let seen = self.comments;
        soon("a keep-alive", async {
            while self.comments == seen {
                self.read().await.expect("the stream goes on");
            }
        })
        .await;
    }

    /// Reads what has come; none at the end or when the connection is lost.
    async fn read(&mut self) -> Option<()> {
        let bytes = self.response.next().await?.ok()?;
        self.rest.extend_from_slice(&bytes);
        while let Some(end) = self.rest.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            self.line(std::str::from_utf8(&line[..end]).expect("UTF-8"));
        }
        Some(())
    }

    fn line(&mut self, line: &str) {
        assert!(!line.contains('\r'), "a CR would end the line: {line:?}");
        match line.split_once(':') {
            None if line.is_empty() => {
                if let Some(text) = self.data.take() {
                    self.ready.push_back(Event { id: self.last_event_id.clone(), text });
                }
            }
            Some(("", _)) => self.comments += 1,
            Some(("id", id)) => self.last_event_id = id.trim_start().to_owned(),
            Some(("retry", span)) => self.retry = Some(span.trim().parse().expect("milliseconds")),
            Some(("data", data)) => {
                assert!(self.data.is_none(), "one data line an event");
                self.data = Some(data.trim_start().to_owned());
            }
            _ => panic!("no field of an event: {line:?}"),
        }
    }
}
