//! What Redis remembers for a while of what was done under a key, for all nodes.

use std::{sync::LazyLock, time::Duration};

use ::redis::Script;

use super::{Away, Line};

static REMEMBER: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("remember.lua")));

/// What is remembered of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Of what is to be done.
    pub digest: String,
    /// The number under which it is done.
    pub number: i64,
    /// What came of it, once that is known.
    pub outcome: Option<String>,
}

type Fields = (Option<String>, Option<i64>, Option<String>);

impl Record {
    fn of((digest, number, outcome): Fields) -> Option<Self> {
        Some(Self { digest: digest?, number: number?, outcome })
    }
}

impl Line {
    /// What is remembered of a key, if anything is.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn recall(&self, key: &str) -> Result<Option<Record>, Away> {
        let mut call = ::redis::cmd("HMGET");
        call.arg(self.name(key)).arg(&["digest", "number", "outcome"]);
        let call = &call;
        let fields = self.ask(|mut redis| async move { call.query_async(&mut redis).await }).await?;
        Ok(Record::of(fields))
    }

    /// Remembers this for so long, if nothing is remembered of the key; and its outcome, if none is remembered of the
    /// same number. What is remembered then: of several who do so at once, all get the same.
    ///
    /// # Errors
    /// [`Away`]; then it may be remembered or not.
    pub async fn remember(&self, key: &str, record: Record, keep: Duration) -> Result<Record, Away> {
        let mut call = REMEMBER.key(self.name(key));
        let keep = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        call.arg(&record.digest).arg(record.number).arg(keep).arg(record.outcome.as_deref().unwrap_or_default());
        let call = &call;
        let fields = self.ask(|mut redis| async move { call.invoke_async(&mut redis).await }).await?;
        Ok(Record::of(fields).unwrap_or(record))
    }
}
