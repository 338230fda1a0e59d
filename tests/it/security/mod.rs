//! What an attacker would try, by weakness: each test bears the number of its entry in the Common Weakness Enumeration.

mod disclosure;
mod injection;
mod resources;
mod smuggling;
