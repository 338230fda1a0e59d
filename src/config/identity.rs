//! Who may call: what tokens are checked by, and what they must say.

use std::{fmt, path::Path, time::Duration};

use bytesize::ByteSize;
use clap::{ArgAction, Args};

use super::values::{at_least_one, bytes, cookie, delay, size, span};
use crate::{
    api,
    auth::{Algorithm, Auth, JwksOptions, Key, Options, Pattern, Rules, SetupError},
};

/// Who may call: what tokens are checked by, and what they must say.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Identity")]
pub struct IdentitySettings {
    /// The secret of tokens signed with HS256, 32 bytes or more. Without this, JWT_PUBLIC_KEY and JWT_JWKS_URL no token
    /// is asked for, and anyone may do anything
    #[arg(long, env, hide_env_values = true, value_name = "SECRET", value_parser = secret)]
    pub jwt_secret: Option<Secret>,

    /// The public key of tokens signed with RS256, ES256 or EdDSA: a PEM file, or the PEM itself
    #[arg(long, env, hide_env_values = true, value_name = "PEM", value_parser = public_key)]
    pub jwt_public_key: Option<Key>,

    /// Where an issuer has its public keys, as a JWK set; over https, since who can change them can sign tokens
    #[arg(long, env, hide_env_values = true, value_name = "URL", value_parser = http_url)]
    pub jwt_jwks_url: Option<Secret>,

    /// How often they are fetched
    #[arg(long, env, default_value = "10min", value_parser = span)]
    pub jwt_jwks_max_age: Duration,

    /// How much longer they serve while they cannot be fetched; after that, tokens cannot be checked
    #[arg(long, env, default_value = "1day", value_parser = span)]
    pub jwt_jwks_stale: Duration,

    /// The shortest time between two fetches because of tokens with a key that is not known: anyone can make such
    /// tokens
    #[arg(long, env, default_value = "10s", value_parser = span)]
    pub jwt_jwks_pause: Duration,

    /// The algorithms that are accepted, like `RS256,PS256` [default: of HS256, RS256, ES256, ES384 and EdDSA those
    /// that fit the keys]
    #[arg(long, env, value_delimiter = ',', action = ArgAction::Set, value_parser = algorithm)]
    pub jwt_algorithms: Option<Vec<Algorithm>>,

    /// The `aud` that tokens must have: without it, tokens that the issuer gave for others are accepted too
    #[arg(long, env)]
    pub jwt_audience: Option<String>,

    /// The `iss` that tokens must have
    #[arg(long, env)]
    pub jwt_issuer: Option<String>,

    /// How far the issuer's clock may be from ours
    #[arg(long, env, default_value = "5s", value_parser = delay)]
    pub jwt_leeway: Duration,

    /// The longest token: longer ones do not pass most proxies
    #[arg(long, env, default_value = "8KiB", value_parser = bytes)]
    pub jwt_max_length: ByteSize,

    /// The most patterns in a token, to read and to write each: all are tried at each request
    #[arg(long, env, default_value_t = 100, value_parser = at_least_one)]
    pub jwt_max_patterns: usize,

    /// The rooms of tokens that have no `rooms`, like `lobby,team-*`: to read and to write
    #[arg(long, env, value_delimiter = ',', action = ArgAction::Set, value_parser = pattern)]
    pub jwt_default_rooms: Option<Vec<Pattern>>,

    /// The cookie that a token may come in; a name with `__Secure-` or `__Host-` is set over https only
    #[arg(long, env, default_value = api::COOKIE, value_parser = cookie)]
    pub jwt_cookie: String,

    /// Whether streams take a token as `?access_token=` too: for pages of other sites, though proxies may log it
    #[arg(long, env, default_value_t = false, action = ArgAction::Set)]
    pub jwt_query: bool,
}

/// A secret that is shown nowhere.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl IdentitySettings {
    /// Who checks tokens.
    ///
    /// # Errors
    /// When the settings contradict one another.
    pub fn auth(&self) -> Result<Auth, SetupError> {
        let secret = self.jwt_secret.as_ref().and_then(|secret| Key::secret(secret.expose()));
        let keys = [("JWT_SECRET", secret), ("JWT_PUBLIC_KEY", self.jwt_public_key.clone())];
        let keys = keys.into_iter().filter_map(|(name, key)| Some((name, key?)));
        Auth::new(Options {
            keys: keys.collect(),
            jwks: self.jwt_jwks_url.as_ref().map(|url| JwksOptions {
                url: url.expose().to_owned(),
                max_age: self.jwt_jwks_max_age,
                stale: self.jwt_jwks_stale,
                pause: self.jwt_jwks_pause,
            }),
            algorithms: self.jwt_algorithms.clone(),
            bytes: size(self.jwt_max_length),
            rules: Rules {
                audience: self.jwt_audience.clone(),
                issuer: self.jwt_issuer.clone(),
                leeway: self.jwt_leeway,
                patterns: self.jwt_max_patterns,
                default_rooms: self.jwt_default_rooms.clone().unwrap_or_default(),
            },
        })
    }

    /// Where tokens are looked for.
    pub fn carriers(&self, origins: Vec<String>) -> api::Carriers {
        api::Carriers { cookie: self.jwt_cookie.clone(), query: self.jwt_query, origins }
    }
}

pub(crate) fn secret(text: &str) -> Result<Secret, String> {
    Key::secret(text).ok_or("must be 32 bytes or more, and nobody must be able to guess it")?;
    Ok(Secret(text.to_owned()))
}

fn public_key(text: &str) -> Result<Key, String> {
    let file = || std::fs::read_to_string(Path::new(text)).map_err(|error| format!("the file cannot be read: {error}"));
    let pem = if text.contains("-----BEGIN") { text.to_owned() } else { file()? };
    Key::public(&pem).ok_or_else(|| "must be a public key (RSA, P-256, P-384 or Ed25519) in PEM".to_owned())
}

/// It may hold a password.
fn http_url(text: &str) -> Result<Secret, String> {
    let url = reqwest::Url::parse(text).ok();
    let url = url.filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    url.map(|url| Secret(url.into())).ok_or_else(|| "must be like https://issuer/.well-known/jwks.json".to_owned())
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    text.trim().parse().map_err(|_| "must be of HS256, RS256, PS256, ES256 and the like, or EdDSA".to_owned())
}

pub(crate) fn pattern(text: &str) -> Result<Pattern, String> {
    Pattern::new(text.trim()).ok_or_else(|| "must be names of rooms, in which * stands for any characters".to_owned())
}
