//! What a message costs that concerns few.

use super::fanout::compare;
use crate::{
    report::Report,
    server::{Backend, Load},
};

const ROOMS: usize = 1_000;
const EACH: usize = 10;

pub async fn ask(backend: &Backend, report: &mut Report) {
    let load = Load { events_per_second: 1_000.0, rooms: ROOMS };
    let question = format!("{ROOMS} rooms of {EACH} subscribers, messages");
    compare(backend, report, question, ROOMS * EACH, &[load]).await;
}
