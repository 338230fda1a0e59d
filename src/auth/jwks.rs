//! The keys of an issuer, from its JWKS endpoint.
//!
//! One task fetches them: in time, and when someone asks for a key that is not there. So there is never more than one
//! fetch under way, whoever asks waits for the same one, and a client that goes away cancels nothing. Who sends tokens
//! of keys that nobody has cannot make it fetch more than once in a while. While the endpoint is away, the last keys
//! serve on, but not for ever: a key that the issuer has withdrawn must end some day.

use std::{sync::Arc, time::Duration};

use jsonwebtoken::{Algorithm, AlgorithmFamily, jwk::Jwk};
use reqwest::{Client, redirect::Policy};
use serde::Deserialize;
use serde_json::Value;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until, timeout},
};

use super::{AuthError, key::Key};

/// How long a fetch may take, and whoever waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most bytes of a set, and the most keys: real ones have a handful, in a few KiB.
const MOST_BYTES: usize = 256 << 10;
const MOST_KEYS: usize = 100;

/// Where the keys are, and how long they are good.
#[derive(Debug, Clone)]
pub struct JwksOptions {
    /// The endpoint.
    pub url: String,
    /// How often they are fetched.
    pub max_age: Duration,
    /// How much longer they serve while the endpoint is away.
    pub stale: Duration,
    /// The shortest time between two fetches that requests cause.
    pub pause: Duration,
}

/// The keys of an issuer.
pub(super) struct Jwks {
    options: JwksOptions,
    algorithms: Vec<Algorithm>,
    http: Client,
    known: watch::Sender<Known>,
    wanted: Notify,
}

/// What is known of them.
#[derive(Default)]
struct Known {
    keys: Vec<Arc<Key>>,
    /// When they came.
    fetched: Option<Instant>,
    /// When the last fetch ended, however it did.
    tried: Option<Instant>,
}

/// Why the keys could not be fetched.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error("it answers {0}")]
    Status(reqwest::StatusCode),
    #[error("the set is larger than {MOST_BYTES} bytes")]
    Large,
    #[error("this is no set of keys: {0}")]
    Json(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// Whether a set may have keys for this algorithm: no secret is ever in one.
pub(super) fn may_have(algorithm: Algorithm) -> bool {
    algorithm.family() != AlgorithmFamily::Hmac
}

impl Jwks {
    /// Fetches nothing yet.
    pub(super) fn new(options: JwksOptions, algorithms: &[Algorithm]) -> Result<Self, reqwest::Error> {
        // Who can send us elsewhere could give us keys.
        let http = Client::builder().timeout(PATIENCE).redirect(Policy::none()).build()?;
        let (known, algorithms) = (watch::Sender::default(), algorithms.to_vec());
        Ok(Self { options, algorithms, http, known, wanted: Notify::new() })
    }

    /// Keeps the keys fresh; runs until it is dropped.
    pub(super) async fn run(&self) {
        loop {
            let fetched = self.fetch().await;
            let now = Instant::now();
            let next = match fetched {
                Ok(keys) => {
                    tracing::debug!(keys = keys.len(), "keys of tokens were fetched");
                    self.known.send_replace(Known { keys, fetched: Some(now), tried: Some(now) });
                    self.options.max_age
                }
                Err(error) => {
                    tracing::warn!(%error, "the keys of tokens cannot be fetched (JWT_JWKS_URL)");
                    self.known.send_modify(|known| known.tried = Some(now));
                    self.options.pause.min(self.options.max_age)
                }
            };
            self.wait(now, now + next).await;
        }
    }

    /// Waits until the next fetch is due, or is wanted and may be.
    async fn wait(&self, tried: Instant, due: Instant) {
        loop {
            tokio::select! {
                () = sleep_until(due) => return,
                // What was wanted while a fetch was under way has been answered by it.
                () = self.wanted.notified() => if tried.elapsed() >= self.options.pause { return },
            }
        }
    }

    /// Whether any of the keys can be for this algorithm.
    pub(super) fn is_for(&self, algorithm: Algorithm) -> bool {
        may_have(algorithm) && self.algorithms.contains(&algorithm)
    }

    /// The key of this name for this algorithm.
    pub(super) async fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Result<Arc<Key>, AuthError> {
        let mut changes = self.known.subscribe();
        let (found, tried) = {
            let known = changes.borrow_and_update();
            (self.look(&known, id, algorithm), known.tried)
        };
        if found.is_ok() || tried.is_some_and(|tried| tried.elapsed() < self.options.pause) {
            return found;
        }
        self.wanted.notify_one();
        // If it takes too long, what is there must do.
        let _ = timeout(PATIENCE, changes.changed()).await;
        let known = changes.borrow();
        self.look(&known, id, algorithm)
    }

    fn look(&self, known: &Known, id: Option<&str>, algorithm: Algorithm) -> Result<Arc<Key>, AuthError> {
        let good = self.options.max_age + self.options.stale;
        if known.fetched.is_none_or(|fetched| fetched.elapsed() >= good) {
            return Err(AuthError::KeysAway);
        }
        let mut fitting =
            known.keys.iter().filter(|key| key.is_for(algorithm) && (id.is_none() || key.id.as_deref() == id));
        match (fitting.next(), fitting.next()) {
            // A token need not name its key, where there is but one.
            (Some(key), None) => Ok(Arc::clone(key)),
            _ => Err(AuthError::Key),
        }
    }

    async fn fetch(&self) -> Result<Vec<Arc<Key>>, FetchError> {
        // An address may hold what is secret.
        let plain = reqwest::Error::without_url;
        let mut answer = self.http.get(&self.options.url).send().await.map_err(plain)?;
        if !answer.status().is_success() {
            return Err(FetchError::Status(answer.status()));
        }
        let mut body = Vec::new();
        while let Some(bytes) = answer.chunk().await.map_err(plain)? {
            if body.len() + bytes.len() > MOST_BYTES {
                return Err(FetchError::Large);
            }
            body.extend_from_slice(&bytes);
        }
        let Set { keys } = serde_json::from_slice(&body)?;
        // A set may hold keys of kinds that we do not know: they are not for us.
        let known = keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        let usable = known.filter_map(|jwk| Key::of_set(&jwk)?.limited(&self.algorithms));
        Ok(usable.take(MOST_KEYS).map(Arc::new).collect())
    }
}
