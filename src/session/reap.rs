//! The reaper: ends what nobody ends, and takes up what nobody finishes.
//!
//! Each open session has a deadline: of silence, of a missing chunk, of age, or of whoever writes its message. Every
//! node looks for those that are over it. That several find the same one does no harm, since Redis judges it again, and
//! only the first has anything to do.

use std::time::Duration;

use uuid::Uuid;

use super::{Sessions, Step};
use crate::{metrics::METRICS, redis::Away};

/// Sessions that are looked at together.
const TOGETHER: isize = 50;

impl Sessions {
    /// Reaps, for ever.
    pub(super) async fn reap(&self) {
        loop {
            // Nodes that started together need not look together.
            let every = self.0.options.reap;
            tokio::time::sleep(every.mul_f64(0.5) + every.mul_f64(fastrand::f64())).await;
            if let Err(error) = self.reap_once().await {
                tracing::debug!(%error, "sessions were not looked at");
            }
        }
    }

    async fn reap_once(&self) -> Result<(), Away> {
        loop {
            let (due, open) = self.0.logs.due(TOGETHER).await?;
            METRICS.sessions.open.set(i64::try_from(open).unwrap_or(i64::MAX));
            let mut refused = false;
            for id in &due {
                match self.reap_one(*id).await {
                    // It is found first each time, and must not hold up all others.
                    Err(error) if error.is_refusal() => {
                        tracing::warn!(session = %id, %error, "a session cannot be judged");
                        refused = true;
                    }
                    reaped => reaped?,
                }
            }
            if refused || due.len() < TOGETHER.unsigned_abs() {
                return Ok(());
            }
            // Others may have as many; they are not to wait for all of ours.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn reap_one(&self, id: Uuid) -> Result<(), Away> {
        match self.0.logs.reap(id, false).await? {
            Step::Sealed => drop(self.write_soon(id)),
            Step::Over { state, now: true } => {
                let reason = self.0.logs.look(id).await?.and_then(|session| session.reason);
                self.over(state, true, reason);
            }
            Step::Over { .. } | Step::Gone | Step::Open(_) => {}
        }
        Ok(())
    }
}
