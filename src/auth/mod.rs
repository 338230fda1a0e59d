//! Who calls: tokens, and the rights they give.
//!
//! A token is a JWT that someone else has signed; there are no users and no sessions here. Without a key to check
//! tokens by the server is open: anyone may do anything, and a token that someone sends says nothing. With one, every
//! call needs a token, and a token that is not accepted never makes its bearer a nobody who may do a little.

mod claims;
mod error;
mod jwks;
mod key;
mod mint;
mod pattern;
mod principal;

use std::sync::Arc;

use jsonwebtoken::{decode_header, errors::ErrorKind};

use claims::Claims;
pub use claims::Rules;
pub use error::AuthError;
pub use jsonwebtoken::Algorithm;
use jwks::Jwks;
pub use jwks::JwksOptions;
pub use key::Key;
pub use mint::{Grant, Signer};
pub use pattern::Pattern;
pub use principal::{Principal, Reads};

/// By what tokens are checked.
#[derive(Debug, Clone)]
pub struct Options {
    /// Keys that are always the same, each with the name of its setting.
    pub keys: Vec<(&'static str, Key)>,
    /// Where keys are fetched.
    pub jwks: Option<JwksOptions>,
    /// What is accepted; none for what is usual.
    pub algorithms: Option<Vec<Algorithm>>,
    /// The most bytes of a token.
    pub bytes: usize,
    /// What a token must say.
    pub rules: Rules,
}

/// Why tokens cannot be checked as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A key would never be used.
    #[error("{0} is a key for none of the algorithms in JWT_ALGORITHMS")]
    Unused(&'static str),
    /// Something is said of tokens, but the server would be open all the same.
    #[error("nothing is set to check tokens by: JWT_SECRET, JWT_PUBLIC_KEY or JWT_JWKS_URL is missing")]
    NoKey,
    /// The client that fetches keys cannot be had.
    #[error("keys cannot be fetched: {0}")]
    Client(#[from] reqwest::Error),
}

/// Who checks tokens; a cheap handle.
#[derive(Clone)]
pub struct Auth(Option<Arc<Checker>>);

struct Checker {
    keys: Vec<Key>,
    jwks: Option<Jwks>,
    bytes: usize,
    rules: Rules,
}

impl Auth {
    /// Asks for no token where there is nothing to check it by, and else checks them.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn new(options: Options) -> Result<Self, SetupError> {
        if options.keys.is_empty() && options.jwks.is_none() {
            // A key that was forgotten must not open the server.
            return if options.algorithms.is_none() && options.rules.say_nothing() {
                Ok(Self(None))
            } else {
                Err(SetupError::NoKey)
            };
        }
        let algorithms = options.algorithms.unwrap_or_else(|| key::USUAL.to_vec());
        let keys = options.keys.into_iter();
        let keys = keys.map(|(name, key)| key.limited(&algorithms).ok_or(SetupError::Unused(name)));
        let keys = keys.collect::<Result<_, _>>()?;
        if options.jwks.is_some() && !algorithms.iter().any(|algorithm| jwks::may_have(*algorithm)) {
            return Err(SetupError::Unused("JWT_JWKS_URL"));
        }
        let jwks = options.jwks.map(|jwks| Jwks::new(jwks, &algorithms)).transpose()?;
        Ok(Self(Some(Arc::new(Checker { keys, jwks, bytes: options.bytes, rules: options.rules }))))
    }

    /// Whether anyone may do anything.
    pub fn is_open(&self) -> bool {
        self.0.is_none()
    }

    /// Keeps fresh what must be fetched; runs until it is dropped.
    pub async fn run(&self) {
        match self.0.as_deref() {
            Some(Checker { jwks: Some(jwks), .. }) => jwks.run().await,
            _ => std::future::pending().await,
        }
    }

    /// Who it is that sent this token.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn identify(&self, token: Option<&str>) -> Result<Principal, AuthError> {
        let Some(checker) = &self.0 else { return Ok(Principal::anyone()) };
        let token = token.ok_or(AuthError::Missing)?;
        checker.claims(token).await?.principal(&checker.rules)
    }
}

impl Checker {
    /// What a token says, once its signature was found good.
    async fn claims(&self, token: &str) -> Result<Claims, AuthError> {
        if token.len() > self.bytes {
            return Err(AuthError::TooLong);
        }
        let header = decode_header(token).map_err(|error| match error.kind() {
            // Most likely an algorithm that nobody here knows, like `none`.
            ErrorKind::Json(error) if error.is_data() => AuthError::Algorithm,
            _ => AuthError::Malformed,
        })?;
        // It says that what we do not understand must be understood.
        if header.crit.is_some() {
            return Err(AuthError::Malformed);
        }
        let mut refused = AuthError::Algorithm;
        for key in self.keys.iter().filter(|key| key.is_for(header.alg)) {
            match key.verify(token, header.alg) {
                Err(AuthError::Signature) => refused = AuthError::Signature,
                judged => return judged,
            }
        }
        match &self.jwks {
            Some(jwks) if jwks.is_for(header.alg) => {
                jwks.find(header.kid.as_deref(), header.alg).await?.verify(token, header.alg)
            }
            _ => Err(refused),
        }
    }
}
