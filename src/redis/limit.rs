//! Budgets that all nodes share: how often something may be done, counted in one place.

use std::{num::NonZeroU32, sync::LazyLock, time::Duration};

use ::redis::Script;

use super::{Away, Line};

static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("limit.lua")));

/// How much there is at first and how fast it comes again: so many in such a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many at once, and in each `span`.
    pub most: NonZeroU32,
    /// In how long all of them are there again.
    pub span: Duration,
}

impl Rate {
    /// In how many microseconds one more is there: rounded up, so that it is never more than was asked for.
    fn interval(&self) -> u64 {
        let micros = u64::try_from(self.span.as_micros()).unwrap_or(u64::MAX);
        micros.div_ceil(self.most.get().into()).max(1)
    }
}

/// What came of taking one.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// There was one.
    pub granted: bool,
    /// How many are left.
    pub left: u32,
    /// Until all are there.
    pub full_in: Duration,
    /// Until there is one, where there was none.
    pub next_in: Duration,
}

impl Line {
    /// Takes one from a budget, if there is one.
    ///
    /// # Errors
    /// [`Away`]; then one may have been taken or not.
    pub async fn take(&self, budget: &str, rate: Rate) -> Result<Taken, Away> {
        let mut call = TAKE.key(self.name(budget));
        call.arg(rate.most.get()).arg(rate.interval());
        let call = &call;
        let answer = self.ask(|mut redis| async move { call.invoke_async(&mut redis).await }).await?;
        let (granted, left, full_in, next_in): (u8, u32, u64, u64) = answer;
        let [full_in, next_in] = [full_in, next_in].map(Duration::from_micros);
        Ok(Taken { granted: granted == 1, left, full_in, next_in })
    }
}
