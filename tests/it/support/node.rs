//! The program as a process, and a client of it.

use std::process::Stdio;

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::{Events, Log, World, soon};

/// What is wrong, but not that most nodes here ask for no token.
const QUIET: &str = "warn,rowcast::app=error";

/// A running `rowcast serve`. It is killed when this is dropped.
pub struct Node {
    pub url: String,
    /// Where those listen who look after it, if elsewhere.
    pub admin: Option<String>,
    pub process: Child,
    pub http: Client,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Node {
    /// Starts the program and waits until it listens.
    pub async fn start(world: &World, settings: &[(&str, &str)]) -> Self {
        Self::run(Self::command("serve"), world, settings).await
    }

    /// Starts it by a command of one's own.
    pub async fn run(mut command: Command, world: &World, settings: &[(&str, &str)]) -> Self {
        Self::set(&mut command, world, settings);
        Self::listening(command).await
    }

    /// The same, with what it logs kept in a file, which is gone when that is dropped.
    pub async fn start_logged(world: &World, settings: &[(&str, &str)]) -> (Self, Log) {
        let log = Log::new();
        let mut command = Self::command("serve");
        Self::set(&mut command, world, settings);
        command.stderr(log.writer());
        (Self::listening(command).await, log)
    }

    fn set(command: &mut Command, world: &World, settings: &[(&str, &str)]) {
        command.env("DATABASE_URL", &world.database_url).env("REDIS_URL", &world.redis_url);
        command.env("REDIS_PREFIX", &world.prefix).env("HOST", "127.0.0.1").env("PORT", "0");
        command.env("LOG", QUIET).envs(settings.iter().copied());
    }

    async fn listening(mut command: Command) -> Self {
        let twice = command.as_std().get_envs().any(|(name, _)| name == "ADMIN_PORT");
        let mut process = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = soon("the node listens", lines.next_line()).await.unwrap().expect("the node starts");
        let url = line.strip_prefix("listening on ").expect("the first line says where").to_owned();
        let mut admin = None;
        if twice {
            let line = soon("the node says where else", lines.next_line()).await.unwrap().expect("a second line");
            admin = Some(line.strip_prefix("admin on ").expect("it says where").to_owned());
        }
        Self { url, admin, process, http: Client::new() }
    }

    /// The program with a subcommand, and none of this process's settings.
    pub fn command(subcommand: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rowcast"));
        command.env_clear().arg(subcommand);
        command
    }

    /// Any request with a JSON body, and its answer.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.json(body);
        }
        Answer::of(request).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// How many streams it has now.
    pub async fn subscribers(&self) -> u64 {
        self.get("/health").await.body["hub"]["subscribers"].as_u64().unwrap()
    }

    /// The body of an answer, or why there is none.
    pub async fn try_get(&self, path: &str) -> String {
        match self.http.get(format!("{}{path}", self.url)).send().await {
            Ok(response) => response.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        }
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Posts a message that must be taken; its id.
    #[track_caller]
    pub fn say(&self, message: Value) -> impl Future<Output = i64> {
        let place = std::panic::Location::caller();
        async move {
            let answer = self.post("/message", &message).await;
            assert_eq!(answer.status, StatusCode::CREATED, "{} at {place}", answer.body);
            answer.body["id"].as_i64().unwrap()
        }
    }

    /// Follows `/stream` with this query (`""` or `"?room=a"`), attached when this returns: its first event, which is
    /// `connected`, has been read.
    pub async fn stream(&self, query: &str) -> Events {
        let mut events = self.open(query, None).await;
        let first = events.next().await;
        assert_eq!(first.kind(), "connected", "{first:?}");
        events
    }

    /// Opens `/stream`, with a `Last-Event-ID` if one is given; nothing of it has been read.
    pub async fn open(&self, query: &str, last_event_id: Option<&str>) -> Events {
        let mut request = self.http.get(format!("{}/stream{query}", self.url));
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = soon("the stream opens", request.send()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events::new(response)
    }

    /// Its process id.
    pub fn id(&self) -> i32 {
        self.process.id().expect("it runs") as i32
    }

    /// Its memory in KiB: `VmRSS` is what it takes now, `VmHWM` the most that it has taken.
    pub fn memory(&self, what: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Sends a signal, by name.
    pub fn signal(&self, signal: &str) {
        super::signal(self.id(), signal);
    }
}

impl Answer {
    /// Sends the request and reads the answer; a body that is not JSON is a string.
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = soon("an answer", request.send()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = soon("a whole answer", response.text()).await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self { status, headers, body }
    }

    /// The problem's fields that were wrong.
    pub fn wrong_fields(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().map(|error| error["field"].as_str().unwrap()).collect()
    }
}
