//! Minting: tokens for those who have no issuer of their own yet, and for trying things out.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, errors::Error};
use serde_json::json;
use uuid::Uuid;

use super::{claims::MODERATE, pattern::Pattern};

/// What a token is to say.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Who has it.
    pub sub: Uuid,
    /// The rooms to read.
    pub read: Vec<Pattern>,
    /// The rooms to write to.
    pub write: Vec<Pattern>,
    /// Whether others' messages may be changed.
    pub moderate: bool,
    /// How long it is valid.
    pub lifetime: Duration,
    /// Who it is meant for.
    pub audience: Option<String>,
    /// Who it comes from.
    pub issuer: Option<String>,
}

/// Reads a private key of one kind.
type Reader = fn(&[u8]) -> Result<EncodingKey, Error>;

/// Signs tokens. Its Debug shows nothing of the key.
#[derive(Debug)]
pub struct Signer {
    key: EncodingKey,
    header: Header,
}

impl Signer {
    /// Signs with a shared secret.
    pub fn secret(text: &str) -> Self {
        Self { key: EncodingKey::from_secret(text.as_bytes()), header: Header::new(Algorithm::HS256) }
    }

    /// Signs with a private key in PEM: RSA, or P-256, P-384 or Ed25519 in PKCS#8.
    pub fn private(pem: &str) -> Option<Self> {
        let kinds: [(Reader, Algorithm); 4] = [
            (EncodingKey::from_ec_pem, Algorithm::ES256),
            (EncodingKey::from_ec_pem, Algorithm::ES384),
            (EncodingKey::from_ed_pem, Algorithm::EdDSA),
            (EncodingKey::from_rsa_pem, Algorithm::RS256),
        ];
        let signers = kinds.into_iter().filter_map(|(read, algorithm)| {
            Some(Self { key: read(pem.as_bytes()).ok()?, header: Header::new(algorithm) })
        });
        // Only signing tells whether a key is for an algorithm.
        { signers }.find(|signer| encode(&signer.header, &json!({}), &signer.key).is_ok())
    }

    /// The same, saying the key's name in its set.
    #[must_use]
    pub fn named(mut self, id: Option<String>) -> Self {
        self.header.kid = id;
        self
    }

    /// A token.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn sign(&self, grant: Grant) -> Result<String, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut claims = json!({
            "sub": grant.sub,
            "iat": now.as_secs(),
            "exp": (now + grant.lifetime).as_secs(),
            "rooms": { "read": texts(&grant.read), "write": texts(&grant.write) },
        });
        let others =
            [("aud", grant.audience), ("iss", grant.issuer), ("scope", grant.moderate.then(|| MODERATE.to_owned()))];
        for (name, value) in others {
            if let Some(value) = value {
                claims[name] = value.into();
            }
        }
        encode(&self.header, &claims, &self.key)
    }
}

fn texts(patterns: &[Pattern]) -> Vec<String> {
    patterns.iter().map(Pattern::to_string).collect()
}
