//! A model's service that plays scripts: which bytes it sends, in which pieces, and when. It keeps what it was asked, and
//! sees whether the client hangs up.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};

use super::until;

/// A service.
pub struct Upstream {
    /// Where it is.
    pub url: String,
    stage: Arc<Stage>,
}

struct Stage {
    scripts: Vec<Script>,
    asked: watch::Sender<Vec<Asked>>,
    hung_up: watch::Sender<usize>,
    cues: Semaphore,
}

/// What it was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The first line and the headers, as they came.
    pub head: String,
    pub body: Value,
}

/// What is done with one connection; at its end that is closed.
#[derive(Clone, Default)]
pub struct Script(Vec<Step>);

#[derive(Clone)]
enum Step {
    Send(Vec<u8>),
    Pause(Duration),
    Cue,
    Hold,
}

impl Script {
    /// Nothing is said.
    pub fn silence() -> Self {
        Self::default().hold()
    }

    /// A whole answer.
    pub fn answer(status: &str, headers: &[(&str, &str)], body: &str) -> Self {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}", body.len());
        Self(vec![Step::Send(format!("{head}\r\n{body}").into_bytes())])
    }

    /// The head of a stream of events.
    pub fn stream() -> Self {
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream; charset=utf-8\r\n";
        Self(vec![Step::Send(format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes())])
    }

    /// A piece of the stream, which reaches the client as a piece.
    pub fn say(self, piece: impl AsRef<[u8]>) -> Self {
        let piece = piece.as_ref();
        self.and(Step::Send([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()))
    }

    /// Each byte is a piece.
    pub fn spell(self, text: &str) -> Self {
        text.as_bytes().chunks(1).fold(self, Self::say)
    }

    /// The stream ends as it should; without this, it breaks off.
    pub fn end(self) -> Self {
        self.and(Step::Send(b"0\r\n\r\n".to_vec()))
    }

    pub fn pause(self, time: Duration) -> Self {
        self.and(Step::Pause(time))
    }

    /// Waits for [`Upstream::cue`].
    pub fn wait(self) -> Self {
        self.and(Step::Cue)
    }

    /// Says no more, until the client hangs up.
    pub fn hold(self) -> Self {
        self.and(Step::Hold)
    }

    fn and(mut self, step: Step) -> Self {
        self.0.push(step);
        self
    }
}

impl Upstream {
    /// Plays a script for each request; the last one again and again.
    pub async fn play(scripts: impl Into<Vec<Script>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (asked, hung_up) = Default::default();
        let stage = Arc::new(Stage { scripts: scripts.into(), asked, hung_up, cues: Semaphore::new(0) });
        let playing = Arc::clone(&stage);
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                socket.set_nodelay(true).unwrap();
                let stage = Arc::clone(&playing);
                tokio::spawn(async move { stage.perform(socket).await });
            }
        });
        Self { url, stage }
    }

    /// All that it was asked.
    pub fn asked(&self) -> Vec<Asked> {
        self.stage.asked.borrow().clone()
    }

    /// One script that waits goes on.
    pub fn cue(&self) {
        self.stage.cues.add_permits(1);
    }

    /// It has been asked so often.
    pub async fn is_asked(&self, times: usize) {
        until("the service is asked", async || self.stage.asked.borrow().len() >= times).await;
    }

    /// So many clients hung up on it while it held.
    pub async fn is_left(&self, times: usize) {
        until("the client hangs up", async || *self.stage.hung_up.borrow() >= times).await;
    }
}

impl Stage {
    async fn perform(&self, mut socket: TcpStream) {
        let Some(asked) = Asked::read(&mut socket).await else { return };
        let mut script = None;
        self.asked.send_modify(|all| {
            script = self.scripts.get(all.len()).or(self.scripts.last()).cloned();
            all.push(asked);
        });
        for step in script.expect("there is a script").0 {
            match step {
                Step::Send(bytes) if socket.write_all(&bytes).await.is_err() => return,
                Step::Send(_) => {}
                Step::Pause(time) => tokio::time::sleep(time).await,
                Step::Cue => self.cues.acquire().await.unwrap().forget(),
                Step::Hold => {
                    let _ = socket.read(&mut [0]).await;
                    self.hung_up.send_modify(|count| *count += 1);
                }
            }
        }
    }
}

impl Asked {
    async fn read(socket: &mut TcpStream) -> Option<Self> {
        let mut read = Vec::new();
        loop {
            if let Some(end) = memchr::memmem::find(&read, b"\r\n\r\n") {
                let head = String::from_utf8(read[..end].to_vec()).unwrap();
                let body = &read[end + 4..];
                let asked = Self { head, body: Value::Null };
                if asked.header("content-length").is_none_or(|length| length.parse() == Ok(body.len())) {
                    return Some(Self { body: serde_json::from_slice(body).unwrap(), ..asked });
                }
            }
            if socket.read_buf(&mut read).await.ok()? == 0 {
                return None;
            }
        }
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(this, _)| this.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}
