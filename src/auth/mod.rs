//! Who calls: tokens, and the rights they give.

mod principal;

pub use principal::Principal;
