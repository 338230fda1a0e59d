//! The claims of a token, and the principal that they make.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    AuthError,
    pattern::Pattern,
    principal::{Principal, Rights},
};

/// The right to change what others have written, as `scope` names it.
pub(super) const MODERATE: &str = "moderate";

/// Longer than any token is valid, and short enough for every clock.
const EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What a token must say to be accepted, beside its signature.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Who it must be meant for.
    pub audience: Option<String>,
    /// Who it must come from.
    pub issuer: Option<String>,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// The most patterns in a token: each is looked at for each request.
    pub patterns: usize,
    /// The rooms of a token that names none.
    pub default_rooms: Vec<Pattern>,
}

impl Rules {
    /// Whether they demand nothing, and give nothing.
    pub(super) fn say_nothing(&self) -> bool {
        self.audience.is_none() && self.issuer.is_none() && self.default_rooms.is_empty()
    }
}

/// What a token says.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Claims {
    sub: Option<String>,
    exp: Option<f64>,
    nbf: Option<f64>,
    aud: Option<Words>,
    iss: Option<String>,
    rooms: Option<Rooms>,
    scope: Option<Words>,
}

/// One text, or a list of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Several(Vec<String>),
}

/// Patterns for both, or for each.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Rooms {
    Both(Vec<String>),
    Each {
        #[serde(default)]
        read: Vec<String>,
        #[serde(default)]
        write: Vec<String>,
    },
}

impl Words {
    fn has(&self, word: &str) -> bool {
        match self {
            Self::One(one) => one == word,
            Self::Several(several) => several.iter().any(|one| one == word),
        }
    }

    /// As `scope` has it: words in one text, or a list.
    fn has_scope(&self, scope: &str) -> bool {
        match self {
            Self::One(text) => text.split(' ').any(|word| word == scope),
            Self::Several(_) => self.has(scope),
        }
    }
}

impl Claims {
    /// Who it is that has a token with these claims, if the token is valid now.
    pub(super) fn principal(self, rules: &Rules) -> Result<Principal, AuthError> {
        let until = self.until(rules)?;
        if let Some(audience) = &rules.audience
            && !self.aud.as_ref().is_some_and(|aud| aud.has(audience))
        {
            return Err(AuthError::Audience);
        }
        if rules.issuer.is_some() && self.iss != rules.issuer {
            return Err(AuthError::Issuer);
        }
        let moderate = self.scope.is_some_and(|scope| scope.has_scope(MODERATE));
        let (read, write) = rooms(self.rooms, rules)?;
        let sender = self.sub.as_deref().and_then(|sub| Uuid::parse_str(sub).ok());
        Ok(Principal { subject: self.sub, sender, until: Some(until), rights: Some(Rights { read, write, moderate }) })
    }

    /// When it ends, on the clock that nobody sets: until then it is accepted, and what it opened stays open.
    fn until(&self, rules: &Rules) -> Result<Instant, AuthError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let leeway = rules.leeway.as_secs_f64();
        let left = self.exp.filter(|exp| exp.is_finite()).ok_or(AuthError::Claim("exp"))? + leeway - now;
        if left <= 0.0 {
            return Err(AuthError::Expired);
        }
        if self.nbf.is_some_and(|nbf| nbf - leeway > now) {
            return Err(AuthError::Early);
        }
        let left = Duration::try_from_secs_f64(left).unwrap_or(EVER);
        Ok(Instant::now() + left.min(EVER))
    }
}

fn rooms(rooms: Option<Rooms>, rules: &Rules) -> Result<(Vec<Pattern>, Vec<Pattern>), AuthError> {
    let patterns = |texts: &[String]| {
        let patterns = texts.iter().map(|text| Pattern::new(text)).collect::<Option<Vec<_>>>();
        patterns.filter(|patterns| patterns.len() <= rules.patterns).ok_or(AuthError::Claim("rooms"))
    };
    match rooms {
        None => Ok((rules.default_rooms.clone(), rules.default_rooms.clone())),
        Some(Rooms::Both(both)) => {
            let both = patterns(&both)?;
            Ok((both.clone(), both))
        }
        Some(Rooms::Each { read, write }) => Ok((patterns(&read)?, patterns(&write)?)),
    }
}
