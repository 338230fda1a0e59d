//! The principal: who calls, and what they may do.

use uuid::Uuid;

/// Who calls. Without identity, anyone may do anything.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The token's `sub`; none without a token.
    pub subject: Option<String>,
    /// The same, where it is a sender's id.
    pub sender: Option<Uuid>,
}

impl Principal {
    /// Whoever calls a server that asks for no token.
    pub fn anyone() -> Self {
        Self { subject: None, sender: None }
    }
}
