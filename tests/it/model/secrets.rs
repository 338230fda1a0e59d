//! What a service says goes into the log, bounded and without the key; nothing of it goes anywhere else.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing::subscriber::DefaultGuard;

use super::*;

/// What this thread logs.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Logged {
    /// Everything, until the guard is dropped.
    fn begin() -> (Self, DefaultGuard) {
        let logged = Self::default();
        let writer = logged.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (logged, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Nothing of the secrets of these tests is in a text.
#[track_caller]
fn assert_clean(text: &str) {
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_refusal_is_logged_without_the_key() {
    let (logged, _guard) = Logged::begin();
    let body = format!("wrong key {KEY}\nWARN {}", "or so ".repeat(2000));
    let upstream = Upstream::play([Script::answer("401 Unauthorized", &[], &body)]).await;
    for dialect in DIALECTS {
        let error = ask(&model(dialect, &upstream)).await.err().unwrap();
        assert_clean(&format!("{error} {error:?}"));
        assert!(!error.to_string().contains("wrong key"));
    }
    let log = logged.text();
    assert_clean(&log);
    let lines: Vec<_> = log.lines().filter(|line| line.contains("a model gives no reply")).collect();
    assert_eq!(lines.len(), 2, "{log}");
    for line in lines {
        assert!(line.contains(r"wrong key [key]\nWARN or so ") && line.len() < 1000, "{line}");
    }
}

#[tokio::test]
async fn a_failure_amid_the_reply_is_logged_without_the_key() {
    let (logged, _guard) = Logged::begin();
    let error = json!({ "error": { "message": format!("{KEY} is spent"), "type": "billing" } });
    for (dialect, said) in [
        (Dialect::Openai, format!("data: {error}\n\n")),
        (Dialect::Anthropic, event("error", &error)),
        (Dialect::Openai, format!("data: spent {KEY}\n\n")),
    ] {
        let error = played(dialect, Script::stream().say(said).end()).await.1.unwrap_err();
        assert_clean(&format!("{error} {error:?}"));
        assert!(!error.to_string().contains("spent"));
    }
    let log = logged.text();
    assert_clean(&log);
    assert_eq!(log.matches("a model's reply fails").count(), 3, "{log}");
    assert_eq!(log.matches("[key]").count(), 3, "{log}");
}

#[tokio::test]
async fn a_service_that_is_not_there_is_tried_twice_and_its_address_is_not_told() {
    let (logged, _guard) = Logged::begin();
    // Nobody listens at this port.
    let options = options(Dialect::Openai, "http://user:hunter2@127.0.0.1:1/hunter2?token=hunter2");
    assert_clean(&format!("{options:?}"));
    let error = ask(&Model::new(options).unwrap()).await.err().unwrap();
    assert_eq!(error, ModelError::Connect { timeout: false });
    assert!(!error.is_timeout() && error.retry_after().is_none());
    assert_clean(&format!("{error} {error:?}"));
    let log = logged.text();
    assert_clean(&log);
    assert_eq!(log.matches("a model cannot be asked").count(), 2, "{log}");
    assert!(log.contains("refused"), "{log}");
}
