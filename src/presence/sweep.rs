//! The sweep: takes away those whose time is over.
//!
//! Every node looks for them. That several find the same ones does no harm, since Redis judges it again, and only the
//! first has anything to do.

use super::{Presence, registry::TOGETHER};
use crate::{metrics::METRICS, redis::Away};

/// Rooms that are swept after one look.
const ROOMS: usize = 50;

impl Presence {
    /// Sweeps, for ever.
    pub(super) async fn sweep(&self) {
        loop {
            // Nodes that started together need not look together.
            tokio::time::sleep(self.0.options.sweep.mul_f64(0.5 + 0.5 * fastrand::f64())).await;
            if let Err(error) = self.sweep_once().await {
                tracing::debug!(%error, "rooms were not swept");
            }
        }
    }

    async fn sweep_once(&self) -> Result<(), Away> {
        loop {
            let (due, mut refused, mut more) = (self.0.rooms.due(ROOMS).await?, false, false);
            for room in &due {
                match self.0.rooms.sweep(room, TOGETHER).await {
                    // It is found first each time, and must not hold up all others.
                    Err(error) if error.is_refusal() => {
                        tracing::warn!(room, %error, "a room cannot be swept");
                        METRICS.presence.failed.inc();
                        refused = true;
                    }
                    swept => {
                        let over = swept?.over;
                        METRICS.presence.expired.inc_by(over);
                        more |= over == TOGETHER as u64;
                    }
                }
            }
            if refused || (due.len() < ROOMS && !more) {
                return Ok(());
            }
        }
    }
}
