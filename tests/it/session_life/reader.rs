//! A client of a session's stream, which keeps what a browser would keep, and checks what it is told: each chunk comes
//! once, and none is left out.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use crate::{
    session::at,
    support::{Node, soon},
};

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub id: Option<String>,
    pub name: String,
    pub data: Value,
}

/// What has been read, over any number of streams: whole events, whatever pieces they come in.
#[derive(Default)]
pub struct Reading {
    /// Bytes after the last whole event.
    rest: Vec<u8>,
    told: VecDeque<Told>,
    /// The `retry:` that it was told, all of them.
    pub retries: Vec<u64>,
    /// What a browser would come back with.
    pub last_id: Option<String>,
    /// The number of the chunk that comes next, once one has come.
    pub next: Option<u64>,
    /// All chunks together.
    pub text: String,
}

impl Reading {
    /// Of a session from its first chunk on.
    pub fn from_the_beginning() -> Self {
        Self { next: Some(0), ..Self::default() }
    }

    /// Takes what has come.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = memchr::memmem::find(&self.rest, b"\n\n") {
            let block: Vec<u8> = self.rest.drain(..end + 2).collect();
            self.block(std::str::from_utf8(&block[..end]).expect("UTF-8"));
        }
    }

    /// The stream has ended: half an event is none.
    pub fn cut(&mut self) {
        self.rest.clear();
        self.told.clear();
    }

    /// The next event of those that have come.
    pub fn pop(&mut self) -> Option<Told> {
        self.told.pop_front()
    }

    fn block(&mut self, block: &str) {
        assert!(!block.contains('\r'), "a CR would end the line: {block:?}");
        if let Some(retry) = block.strip_prefix("retry: ") {
            return self.retries.push(retry.parse().unwrap());
        }
        let mut lines = block.split('\n').peekable();
        let id = lines.next_if(|line| line.starts_with("id: ")).map(|line| line[4..].to_owned());
        let name = lines.next().unwrap().strip_prefix("event: ").expect("a name").to_owned();
        let data = serde_json::from_str(lines.next().unwrap().strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(lines.next(), None, "{block:?}");
        let told = Told { id, name, data };
        self.check(&told);
        self.last_id = told.id.clone().or(self.last_id.take());
        self.told.push_back(told);
    }

    fn check(&mut self, told: &Told) {
        assert_ne!(self.last_id.as_deref(), Some("end"), "nothing comes after the end: {told:?}");
        match told.name.as_str() {
            "connected" | "ping" => assert_eq!(told.id, None),
            "chunk" => {
                let number = told.data["chunk_id"].as_u64().unwrap();
                assert_eq!(told.id, Some(number.to_string()));
                assert_eq!(number, self.next.unwrap_or(number), "each chunk once, and none is left out");
                self.next = Some(number + 1);
                self.text.push_str(told.data["chunk"].as_str().unwrap());
            }
            _ => assert_eq!(told.id.as_deref(), Some("end")),
        }
    }
}

/// An open stream.
pub struct Stream {
    bytes: BoxStream<'static, reqwest::Result<Bytes>>,
    pub reading: Reading,
    /// The last id among the events that were given out.
    given: Option<String>,
}

impl Stream {
    /// Follows a session from its beginning.
    pub async fn of(node: &Node, session: &Value) -> Self {
        Self::after(node, session, "").await
    }

    /// Follows it from after this id, as a browser would that comes back; `""` is none.
    pub async fn after(node: &Node, session: &Value, last_id: &str) -> Self {
        Self::from(ask(node, session, last_id).await)
    }

    /// Reads an answer, which must be a stream.
    pub fn from(response: Response) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { bytes: response.bytes_stream().boxed(), reading: Reading::default(), given: None }
    }

    /// The next event, be it a ping; none at the end, which must be one and no break.
    pub async fn any(&mut self) -> Option<Told> {
        loop {
            if let Some(told) = self.reading.pop() {
                self.given = told.id.clone().or(self.given.take());
                return Some(told);
            }
            let bytes = self.bytes.next().await?;
            self.reading.feed(&bytes.expect("the answer does not break off"));
        }
    }

    /// The next event but pings; none at the end.
    pub async fn try_next(&mut self) -> Option<Told> {
        loop {
            let told = self.any().await?;
            if told.name != "ping" {
                return Some(told);
            }
        }
    }

    /// The next event but pings, which must come soon.
    #[track_caller]
    pub fn next(&mut self) -> impl Future<Output = Told> {
        let next = soon("an event", self.try_next());
        async move { next.await.expect("the stream goes on") }
    }

    /// Reads up to this chunk, if it has not yet.
    #[track_caller]
    pub fn reach(&mut self, chunk: u64) -> impl Future<Output = ()> {
        soon("a chunk", async move {
            while self.given.as_ref().is_none_or(|given| given.parse::<u64>().unwrap() < chunk) {
                self.try_next().await.expect("the stream goes on");
            }
        })
    }

    /// Reads to the end of the answer, which must come soon; all events but pings.
    #[track_caller]
    pub fn rest(&mut self) -> impl Future<Output = Vec<Told>> {
        soon("the end of a stream", async move {
            let mut rest = Vec::new();
            while let Some(told) = self.try_next().await {
                rest.push(told);
            }
            rest
        })
    }
}

/// Asks for a session's stream, with this `Last-Event-ID`; `""` is none.
pub async fn ask(node: &Node, session: &Value, last_id: &str) -> Response {
    let request = node.http.get(format!("{}{}", node.url, at(session, "/stream")));
    let request = if last_id.is_empty() { request } else { request.header("Last-Event-ID", last_id) };
    soon("an answer", request.send()).await.unwrap()
}
