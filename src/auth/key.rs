//! A key that tokens are checked by, and what it is for.
//!
//! The old trick is to take a public key, which everyone has, for the secret of an HMAC. So a key knows its own
//! algorithms by its kind, and no token can choose another: what a token says of its algorithm only chooses among keys.

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode,
    errors::ErrorKind,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};

use super::{AuthError, claims::Claims};

/// The shortest secret: as long as what SHA-256 makes of it (RFC 7518, 3.2).
const SHORTEST_SECRET: usize = 32;

/// What is accepted where nothing is said: for each kind of key the one that everyone has.
pub(super) const USUAL: [Algorithm; 5] =
    [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA];

const HMAC: &[Algorithm] = &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
const RSA: &[Algorithm] =
    &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];

/// The bytes of a point on P-256, and on P-384.
const P256: usize = 65;
const P384: usize = 97;

/// A key, with the algorithms that it is for. Its Debug shows nothing of it.
#[derive(Debug, Clone)]
pub struct Key {
    /// What a set calls it.
    pub(super) id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

impl Key {
    fn new(key: DecodingKey, algorithms: &[Algorithm]) -> Self {
        Self { id: None, algorithms: algorithms.to_vec(), key }
    }

    /// The key of a shared secret, if it is long enough.
    pub fn secret(text: &str) -> Option<Self> {
        (text.len() >= SHORTEST_SECRET).then(|| Self::new(DecodingKey::from_secret(text.as_bytes()), HMAC))
    }

    /// A public key in PEM: RSA, P-256, P-384 or Ed25519.
    pub fn public(pem: &str) -> Option<Self> {
        // Of a private key a public one could be made, but it has no business here.
        if !(pem.contains("-----BEGIN PUBLIC KEY-----") || pem.contains("-----BEGIN RSA PUBLIC KEY-----")) {
            return None;
        }
        let pem = pem.as_bytes();
        if let Ok(key) = DecodingKey::from_ec_pem(pem) {
            let algorithm = match key.try_get_as_bytes().ok()?.len() {
                P256 => Algorithm::ES256,
                P384 => Algorithm::ES384,
                _ => return None,
            };
            return Some(Self::new(key, &[algorithm]));
        }
        if let Ok(key) = DecodingKey::from_ed_pem(pem) {
            return Some(Self::new(key, &[Algorithm::EdDSA]));
        }
        DecodingKey::from_rsa_pem(pem).ok().map(|key| Self::new(key, RSA))
    }

    /// A key of a set, if it is one to check signatures by. A secret in a set that anyone can read is none.
    pub(super) fn of_set(jwk: &Jwk) -> Option<Self> {
        let algorithms = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => RSA,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => &[Algorithm::ES256],
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => &[Algorithm::ES384],
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
            _ => return None,
        };
        let common = &jwk.common;
        let verifies = common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
        if !verifies || common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
            return None;
        }
        let mut key = Self::new(DecodingKey::from_jwk(jwk).ok()?, algorithms);
        key.id = common.key_id.clone();
        if let Some(only) = common.key_algorithm {
            let only = Algorithm::try_from(only).ok()?;
            key.algorithms.retain(|algorithm| *algorithm == only);
        }
        Some(key)
    }

    /// The same key for these algorithms only, if any is left.
    pub(super) fn limited(mut self, allowed: &[Algorithm]) -> Option<Self> {
        self.algorithms.retain(|algorithm| allowed.contains(algorithm));
        (!self.algorithms.is_empty()).then_some(self)
    }

    pub(super) fn is_for(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// What a token says, if this key has signed it with this algorithm. Nothing of it has been judged.
    pub(super) fn verify(&self, token: &str, algorithm: Algorithm) -> Result<Claims, AuthError> {
        if !self.is_for(algorithm) {
            return Err(AuthError::Algorithm);
        }
        let mut signature = Validation::new(algorithm);
        signature.required_spec_claims.clear();
        (signature.validate_exp, signature.validate_aud) = (false, false);
        decode(token, &self.key, &signature).map(|token| token.claims).map_err(|error| match error.kind() {
            ErrorKind::Json(_) | ErrorKind::Utf8(_) => AuthError::Claim("payload"),
            ErrorKind::Base64(_) | ErrorKind::InvalidToken => AuthError::Malformed,
            _ => AuthError::Signature,
        })
    }
}
