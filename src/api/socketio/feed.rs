//! What sockets are told of the feed: one task follows it for all of them, in order, while anybody is there.

use super::{rooms::Rooms, told};
use crate::{hub::Lost, metrics::METRICS};

/// Follows the feed; runs until it is dropped.
pub(super) async fn follow(rooms: &Rooms) {
    loop {
        let mut tap = rooms.somebody().await;
        while !rooms.rest() {
            match tap.next().await {
                Ok(frames) => {
                    for frame in frames {
                        let told = rooms.tell(frame.room.as_deref(), || told::packet(&frame));
                        METRICS.socketio.deliveries.inc_by(told as u64);
                        if told > 0 {
                            // Those who write are to come to it before the next one.
                            tokio::task::yield_now().await;
                        }
                    }
                }
                Err(Lost) => {
                    tracing::warn!("sockets are sent away, since the feed has gone on without them");
                    rooms.everyone().iter().for_each(|session| session.end("feed"));
                }
            }
        }
    }
}
