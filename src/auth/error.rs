//! Why a token is not accepted, as a client may read it.

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There is none.
    #[error("a token is needed")]
    Missing,
    /// There are several, and nobody can say which one is meant.
    #[error("several tokens were sent, and they differ")]
    Several,
    /// It is longer than any that is read.
    #[error("the token is too long")]
    TooLong,
    /// It is not made like a token.
    #[error("this is not a token that can be read")]
    Malformed,
    /// It was made in a way that is not accepted here.
    #[error("the token's algorithm is not accepted")]
    Algorithm,
    /// It names a key that is not there.
    #[error("the token was signed with a key that is not known")]
    Key,
    /// It was not signed by whom it should.
    #[error("the token's signature is wrong")]
    Signature,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    Early,
    /// It is meant for someone else.
    #[error("the token is for another audience")]
    Audience,
    /// It comes from someone else.
    #[error("the token is from another issuer")]
    Issuer,
    /// A claim says what cannot be.
    #[error("the token's `{0}` is missing, or not what it must be")]
    Claim(&'static str),
    /// The keys to judge it by cannot be had now.
    #[error("the keys that tokens are checked by cannot be had")]
    KeysAway,
}
