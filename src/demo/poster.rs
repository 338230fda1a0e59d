//! Posting: one message at a time, again when the server is busy or the connection breaks.
//!
//! Each message carries an idempotency key, so that one whose answer was lost can be sent again.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use indicatif::ProgressBar;
use reqwest::{Client, RequestBuilder, Response, StatusCode, header::RETRY_AFTER};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use uuid::Uuid;

use super::file::{Line, Message};

/// How long a message is tried again before the server is given up.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long to wait before the next try if the server does not say.
const PAUSE: Duration = Duration::from_secs(1);

/// How long one try may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// What all connections share.
pub(super) struct Poster {
    client: Client,
    url: String,
    /// Counts what is posted, and says why nothing is.
    pub(super) bar: ProgressBar,
}

/// What came of one try.
enum Outcome {
    Posted,
    /// Try again after this time, because of this.
    Later(Duration, String),
    Refused(String),
}

impl Poster {
    /// Asks whether a server is there at all: later, a lost connection is a reason to wait.
    pub(super) async fn connect(url: &str, bar: ProgressBar) -> anyhow::Result<Self> {
        let client = Client::builder().timeout(ANSWER_WITHIN).build()?;
        let url = url.trim_end_matches('/');
        let answer = client.get(format!("{url}/health/live")).send().await;
        answer.with_context(|| format!("no server answers at {url}; `make run` starts one"))?;
        Ok(Self { client, url: format!("{url}/message"), bar })
    }

    /// One connection: posts what is in its queue.
    pub(super) async fn work(self: Arc<Self>, mut queue: mpsc::Receiver<Line>) -> anyhow::Result<()> {
        while let Some(line) = queue.recv().await {
            self.post(&line.message).await.context(line.place)?;
            self.bar.inc(1);
        }
        Ok(())
    }

    /// Posts one message, again and again if the server asks for it.
    async fn post(&self, message: &Message) -> anyhow::Result<()> {
        let request = || self.client.post(&self.url).json(message);
        let (key, start) = (Uuid::new_v4().to_string(), Instant::now());
        loop {
            match attempt(request().header("Idempotency-Key", &key)).await {
                Outcome::Posted => return Ok(()),
                Outcome::Refused(why) => bail!("the server refused the message: {why}"),
                Outcome::Later(pause, why) => {
                    ensure!(start.elapsed() + pause < PATIENCE, "the server does not take the message: {why}");
                    self.wait(pause, why).await;
                }
            }
        }
    }

    async fn wait(&self, pause: Duration, why: String) {
        self.bar.set_message(format!("(waiting: {why})"));
        sleep(pause).await;
        self.bar.set_message("");
    }
}

async fn attempt(request: RequestBuilder) -> Outcome {
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => return Outcome::Later(PAUSE, format!("{:#}", anyhow::Error::from(error))),
    };
    let status = response.status();
    if status == StatusCode::CREATED {
        return Outcome::Posted;
    }
    let pause = retry_after(&response);
    let why = format!("{status}{}", detail(response).await);
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        Outcome::Later(pause, why)
    } else {
        Outcome::Refused(why)
    }
}

fn retry_after(response: &Response) -> Duration {
    let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    header.and_then(|seconds| seconds.parse().ok()).map_or(PAUSE, Duration::from_secs)
}

/// What the server's problem document says of the matter, if it is one.
async fn detail(response: Response) -> String {
    let problem: serde_json::Value = response.json().await.unwrap_or_default();
    let text = problem["detail"].as_str().or(problem["title"].as_str());
    text.map_or(String::new(), |text| format!(": {text}"))
}
