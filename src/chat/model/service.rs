//! The service that a model is behind, and how it is asked.

use std::{error::Error, iter, sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::{
    Client, Response, Url,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{Answer, ApiKey, ModelError, Options, Question, SetupError, key::loggable, speech::Speech};

/// How we introduce ourselves.
const AGENT: &str = concat!("rowcast/", env!("CARGO_PKG_VERSION"));

/// What a reply comes as.
const EVENTS: &str = "text/event-stream";

/// How long is waited before a service is asked again that does not say: half to one and a half times this, since what
/// fails for one reply fails for many.
const PAUSE: Duration = Duration::from_millis(500);

/// The longest time for which a service may ask to be left alone: beyond it, it might as well say nothing.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How much of an answer that is no reply is looked at, and how long it is waited for: it is for the log only.
const SAID_BYTES: usize = 4 << 10;
const SAID_WITHIN: Duration = Duration::from_secs(1);

/// A service, and how its answers are read.
pub(super) struct Service {
    http: Client,
    url: Url,
    headers: HeaderMap,
    retry: Duration,
    pub(super) speech: Speech,
    pub(super) key: Option<ApiKey>,
    pub(super) idle: Duration,
    pub(super) event_bytes: usize,
}

impl Service {
    pub(super) fn new(speech: Speech, options: &Options) -> Result<Self, SetupError> {
        if options.base_url.is_none() && options.key.is_none() {
            return Err(SetupError::NoKey);
        }
        // Who could send us elsewhere would be given the key, and the conversation.
        let http = Client::builder().redirect(Policy::none()).connect_timeout(options.patience.connect);
        let mut headers = speech.headers(options.key.as_ref());
        headers.insert(ACCEPT, HeaderValue::from_static(EVENTS));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Self {
            http: http.user_agent(AGENT).build()?,
            url: speech.url(options.base_url.as_ref()),
            headers,
            retry: options.patience.retry,
            speech,
            key: options.key.clone(),
            idle: options.patience.idle,
            event_bytes: options.event_bytes,
        })
    }

    /// Asks, and once more if the service could not begin.
    pub(super) async fn ask(self: &Arc<Self>, question: &Question<'_>) -> Result<Answer, ModelError> {
        let body = Bytes::from(self.speech.body(question).to_string());
        let error = match self.attempt(body.clone()).await {
            Err(error) if error.is_passing() => error,
            Err(error) => return Err(error),
            Ok(response) => return Ok(Answer::new(response, Arc::clone(self))),
        };
        let pause = PAUSE.mul_f64(0.5 + fastrand::f64()).min(self.retry);
        let pause = error.retry_after().unwrap_or(pause);
        if pause > self.retry {
            return Err(error);
        }
        tracing::info!(?pause, "a model is asked once more");
        sleep(pause).await;
        Ok(Answer::new(self.attempt(body).await?, Arc::clone(self)))
    }

    async fn attempt(&self, body: Bytes) -> Result<Response, ModelError> {
        let sent = self.http.post(self.url.clone()).headers(self.headers.clone()).body(body).send();
        let sent = timeout(self.idle, sent).await.map_err(|_| ModelError::Idle(self.idle))?;
        let response = sent.map_err(unsent)?;
        let status = response.status();
        let error = match status.is_success() {
            true if comes_as_events(response.headers()) => return Ok(response),
            true => ModelError::NoStream,
            false => ModelError::Status { status, retry_after: retry_after(response.headers(), Utc::now()) },
        };
        let said = self.said(response).await;
        tracing::warn!(%error, said, "a model gives no reply");
        Err(error)
    }

    /// The beginning of an answer that is no reply, as far as it comes soon.
    async fn said(&self, mut response: Response) -> String {
        let (mut said, deadline) = (Vec::new(), Instant::now() + SAID_WITHIN);
        while said.len() < SAID_BYTES
            && let Ok(Ok(Some(bytes))) = timeout_at(deadline, response.chunk()).await
        {
            said.extend_from_slice(&bytes);
        }
        loggable(&said, self.key.as_ref())
    }
}

fn comes_as_events(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(EVENTS))
}

/// Seconds, or a date; what cannot be read was not said.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let date = || DateTime::parse_from_rfc2822(text).ok();
    // What is past by now is over.
    let until = || Some((date()?.to_utc() - now).to_std().unwrap_or_default());
    let wait = text.parse().ok().map(Duration::from_secs).or_else(until)?;
    Some(wait.min(DAY))
}

fn unsent(error: reqwest::Error) -> ModelError {
    let (connect, timeout) = (error.is_connect(), error.is_timeout());
    tracing::warn!(cause = causes(error), "a model cannot be asked");
    if connect { ModelError::Connect { timeout } } else { ModelError::Broken }
}

/// An error of HTTP and what caused it, without the address, which may be secret.
pub(super) fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let first: &dyn Error = &error;
    let chain = iter::successors(Some(first), |&error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_says_in_seconds_or_by_a_date_when_it_may_be_asked_again() {
        let now = DateTime::parse_from_rfc3339("2026-03-01T12:00:00Z").unwrap().to_utc();
        for (text, seconds) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("Sun, 01 Mar 2026 12:00:30 GMT", Some(30)),
            ("Sun, 01 Mar 2026 11:00:00 GMT", Some(0)),
            ("18446744073709551615", Some(24 * 60 * 60)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(24 * 60 * 60)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(text).unwrap())]);
            assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn only_an_event_stream_is_one() {
        for (kind, is) in [
            ("text/event-stream", true),
            ("Text/Event-Stream; charset=utf-8", true),
            ("text/event-stream-not", false),
            ("application/json", false),
            ("text/html; note=text/event-stream", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
            assert_eq!(comes_as_events(&headers), is, "{kind}");
        }
        assert!(!comes_as_events(&HeaderMap::new()));
    }
}
