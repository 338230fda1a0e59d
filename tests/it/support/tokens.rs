//! Tokens, and who signs them.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, encode, jwk::Jwk};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Answer, Node, SENDER, World};

/// A secret that is long enough.
pub const SECRET: &str = "a secret of more than 32 bytes, for tests";

/// Settings of a node that checks tokens by the secret, to the second.
pub const GUARDED: [(&str, &str); 2] = [("JWT_SECRET", SECRET), ("JWT_LEEWAY", "0s")];

/// A world with a node that checks tokens by the secret.
pub async fn guarded(more: &[(&str, &str)]) -> (World, Node) {
    let world = World::new().await;
    let node = world.node_with(&[&GUARDED, more].concat()).await;
    (world, node)
}

/// What the answer says of the token, as RFC 6750 has it.
#[track_caller]
pub fn challenge(answer: &Answer) -> &str {
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.body);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(answer.body["type"], "urn:rowcast:problem:unauthorized");
    answer.headers["www-authenticate"].to_str().unwrap()
}

/// Seconds since 1970, from now.
pub fn in_seconds(seconds: i64) -> i64 {
    chrono::Utc::now().timestamp() + seconds
}

/// What a token says: its sender, and the rooms to read and to write.
pub fn claims(read: &[&str], write: &[&str]) -> Value {
    json!({ "sub": SENDER, "exp": in_seconds(3600), "rooms": { "read": read, "write": write } })
}

/// The same with one more claim, or with one taken away.
pub fn with(mut claims: Value, name: &str, value: impl Into<Value>) -> Value {
    claims[name] = value.into();
    if claims[name].is_null() {
        claims.as_object_mut().unwrap().remove(name);
    }
    claims
}

/// A token of whoever has the secret.
pub fn token(claims: &Value) -> String {
    let header = Header::new(Algorithm::HS256);
    encode(&header, claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

/// A token to read and write these rooms.
pub fn token_for(read: &[&str], write: &[&str]) -> String {
    token(&claims(read, write))
}

/// Who has a pair of keys.
pub struct Issuer {
    pub algorithm: Algorithm,
    pub private: String,
    pub public: String,
    key: EncodingKey,
}

impl Issuer {
    pub fn new(algorithm: Algorithm) -> Self {
        let kind = match algorithm {
            Algorithm::ES256 => &PKCS_ECDSA_P256_SHA256,
            Algorithm::ES384 => &PKCS_ECDSA_P384_SHA384,
            Algorithm::EdDSA => &PKCS_ED25519,
            _ => &PKCS_RSA_SHA256,
        };
        let pair = KeyPair::generate_for(kind).unwrap();
        let (private, public) = (pair.serialize_pem(), pair.public_key_pem());
        let key = match algorithm {
            Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(private.as_bytes()),
            Algorithm::EdDSA => EncodingKey::from_ed_pem(private.as_bytes()),
            _ => EncodingKey::from_rsa_pem(private.as_bytes()),
        };
        Self { algorithm, private, public, key: key.unwrap() }
    }

    /// A token, naming this key if there is a name.
    pub fn sign(&self, id: Option<&str>, claims: &Value) -> String {
        let header = Header { kid: id.map(str::to_owned), ..Header::new(self.algorithm) };
        encode(&header, claims, &self.key).unwrap()
    }

    /// The public key as a set has it.
    pub fn jwk(&self, id: &str) -> Value {
        let pem = self.public.as_bytes();
        let key = match self.algorithm {
            Algorithm::ES256 | Algorithm::ES384 => DecodingKey::from_ec_pem(pem),
            Algorithm::EdDSA => DecodingKey::from_ed_pem(pem),
            _ => DecodingKey::from_rsa_pem(pem),
        };
        let jwk = Jwk::from_decoding_key(&key.unwrap(), Some(self.algorithm)).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        (jwk["kid"], jwk["use"]) = (id.into(), "sig".into());
        jwk
    }
}
