//! Which nodes there are, and what each told of itself last.
//!
//! | key | what it is |
//! |---|---|
//! | `nodes` | a hash: the last beat of each node, by its name; gone when no node is heard of any more |
//!
//! A key for each node would end by itself, but a list of them would be needed beside it, or a search through all keys.
//! In one hash whoever tells takes away those that are silent for too long, and reads the others: one call does it all.

use std::{sync::LazyLock, time::Duration};

use ::redis::Script;

use super::{Away, Line, milliseconds};

static BEAT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("nodes.lua")));

/// What a node told of itself last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// The node.
    pub node: String,
    /// How long ago, by the clock of Redis.
    pub silent: Duration,
    /// What it told.
    pub told: String,
}

impl Line {
    /// Tells how a node is; how all are that were heard of in the time `keep`, and this one.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn beat(&self, node: &str, told: &str, keep: Duration) -> Result<Vec<Beat>, Away> {
        let mut call = BEAT.key(self.name("nodes"));
        call.arg(milliseconds(keep)).arg(node).arg(told);
        let call = &call;
        let answer: Vec<String> = self.ask(|mut redis| async move { call.invoke_async(&mut redis).await }).await?;
        let (beats, _) = answer.as_chunks::<3>();
        let beat = |[node, silent, told]: &[String; 3]| {
            let silent = Duration::from_millis(silent.parse().unwrap_or_default());
            Beat { node: node.clone(), silent, told: told.clone() }
        };
        Ok(beats.iter().map(beat).collect())
    }

    /// A node goes away: nothing is told of it any more.
    ///
    /// # Errors
    /// [`Away`]; then it is forgotten when it has been silent for too long.
    pub async fn forget_node(&self, node: &str) -> Result<(), Away> {
        let mut call = ::redis::cmd("HDEL");
        call.arg(self.name("nodes")).arg(node);
        let call = &call;
        self.ask(|mut redis| async move { call.query_async(&mut redis).await }).await
    }
}
