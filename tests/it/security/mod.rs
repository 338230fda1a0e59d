//! What an attacker would try, by weakness: each test bears the number of its entry in the Common Weakness Enumeration.

mod browsers;
mod disclosure;
mod identity;
mod injection;
mod limits;
mod resources;
mod rights;
mod sessions;
mod smuggling;
