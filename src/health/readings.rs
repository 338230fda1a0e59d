//! The readings: what is read off the parts when someone asks for the metrics. Nothing else sets a gauge of them.
//!
//! What PostgreSQL must tell is left out while it does not, and what only a leader knows is there on the leader alone.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Health, process, stage::stale};
use crate::{
    hub,
    metrics::{Process, Readings},
    presence, relay,
    store::{Usage, Vitals},
};

impl Health {
    /// Reads every part. A PostgreSQL that hangs costs a second.
    pub async fn readings(&self) -> Readings {
        // First, lest the session that asks for the vitals is among those at work.
        let usage = self.store.usage();
        let ((vitals, _), process) = tokio::join!(self.postgres(super::NOW), process());
        let mut readings = Readings::default();
        let to = &mut readings;
        to.gauges("build_info", "What runs", [(vec![("version", env!("CARGO_PKG_VERSION"))], 1.0)]);
        to.gauge("uptime_seconds", "Seconds since the node started", self.started.elapsed().as_secs_f64());
        read_process(to, process);
        self.read_verdict(to, vitals.clone());
        self.read_intake(to);
        read_hub(to, &self.hub.stats());
        read_presence(to, self.presence.stats());
        read_relay(to, *self.relay.borrow(), vitals.as_ref());
        read_log(to, vitals.as_ref());
        read_usage(to, usage);
        readings
    }

    fn read_verdict(&self, to: &mut Readings, vitals: Option<Vitals>) {
        let stages = stale(&self.signs(vitals.clone())).map(|(stage, stale)| (vec![("stage", stage)], one_if(stale)));
        to.gauges("stale", "1 for a stage at which changes are not proved to come through", stages);
        to.gauge("ready", "1 if the node may take traffic", one_if(self.judge(vitals).ok));
    }

    fn read_intake(&self, to: &mut Readings) {
        let intake = *self.intake.borrow();
        let canary = intake.canary.map(|at| at.elapsed().as_secs_f64());
        to.gauge("bus_up", "1 if changes come over Redis; if not, they are read from the log", one_if(intake.up));
        let bells = one_if(self.sessions.stats().bells);
        to.gauge("bells_up", "1 if bells can be heard; if 0, sessions and rooms are looked at now and then", bells);
        to.gauge("canary_seconds", "Age of the last new canary that came over Redis; one comes every second", canary);
        to.gauge("hub_behind", "1 if the hub may lack changes that the log has", one_if(intake.behind));
        let proved = intake.proved.elapsed().as_secs_f64();
        to.gauge("hub_proved_seconds", "Age of the last proof that the hub lacks nothing", proved);
    }
}

fn read_process(to: &mut Readings, process: Process) {
    let Process { cpu_seconds, resident_bytes, open_descriptors, max_descriptors } = process;
    let number = |number: Option<u64>| number.map(|number| number as f64);
    to.counter_f64("process_cpu_seconds", "Seconds of processors that the process took", cpu_seconds);
    to.gauge("process_resident_bytes", "Memory that the process has in use", number(resident_bytes));
    to.gauge("open_descriptors", "Open descriptors", number(open_descriptors));
    to.gauge("max_descriptors", "The most descriptors that may be open", number(max_descriptors));
}

fn read_hub(to: &mut Readings, hub: &hub::Stats) {
    to.gauge("streams", "Streams that are open now", hub.subscribers as f64);
    to.gauge("ring_changes", "Changes in the ring", (hub.head.position - hub.ring_floor) as f64);
    to.gauge("ring_bytes", "Bytes in the ring", hub.ring_bytes as f64);
    to.gauge("ring_seconds", "Age of the oldest change in the ring", hub.ring_oldest.map(age));
    to.counter("page_reads", "Readings of the log for streams that are behind the ring", hub.page_reads);
    to.counter("pages", "Pages of the log handed to streams; one reading serves all who need it", hub.pages);
}

fn read_presence(to: &mut Readings, presence: presence::Stats) {
    let presence::Stats { here, untold, watched, watchers } = presence;
    to.gauge("presence_here", "Connections that are in a room, each once for each room", here as f64);
    to.gauge("presence_untold", "Those of which Redis has yet to be told how they are", untold as f64);
    to.gauge("presence_rooms", "Rooms whose presence is watched", watched as f64);
    to.gauge("presence_watchers", "Their watchers", watchers as f64);
}

fn read_relay(to: &mut Readings, relay: relay::Status, vitals: Option<&Vitals>) {
    let (head, published) = (relay.head.map(|head| head.position), relay.published.map(|last| last.position));
    let lag = head.zip(published).map(|(head, published)| (head - published).max(0) as f64);
    to.gauge("relay_leading", "1 if this node leads", one_if(relay.leading));
    to.gauge("relay_head", "The last position given, on the leader", head.map(|head| head as f64));
    to.gauge("relay_published", "The last position that Redis has, on the leader", published.map(|last| last as f64));
    to.gauge("relay_lag_changes", "Positions that Redis does not have yet, on the leader", lag);
    let proved = relay.proved.map(|at| at.elapsed().as_secs_f64());
    to.gauge("relay_lag_seconds", "Seconds since Redis was last found to have all positions, on the leader", proved);
    let leader = vitals.and_then(|vitals| vitals.stamped).map(|age| age.as_secs_f64());
    to.gauge("leader_seconds", "Age of the leader's last sign of life; one comes every second", leader);
}

fn read_log(to: &mut Readings, vitals: Option<&Vitals>) {
    let log = vitals.map(|vitals| vitals.log);
    to.gauge("log_changes", "Changes that the log holds", log.map(|log| log.changes as f64));
    to.gauge("log_bytes", "Their bytes, about", log.map(|log| log.bytes as f64));
    let oldest = log.and_then(|log| log.oldest).as_ref().map(Duration::as_secs_f64);
    to.gauge("log_oldest_seconds", "Age of the oldest change in the log: how long a client may be away", oldest);
}

fn read_usage(to: &mut Readings, Usage { http, log, waiting }: Usage) {
    let pools = [("http", http), ("log", log)];
    let use_of = |(pool, state, count)| (vec![("pool", pool), ("state", state)], count as f64);
    let states = pools.map(|(name, pool)| [(name, "idle", pool.idle), (name, "used", pool.used)].map(use_of));
    to.gauges("pool_connections", "Connections with PostgreSQL, by pool, free or at work", states.concat());
    let most = pools.map(|(name, pool)| (vec![("pool", name)], pool.max as f64));
    to.gauges("pool_max", "The most connections of a pool", most);
    to.gauge("posts_waiting", "Posted messages that have no answer yet", waiting as f64);
}

fn one_if(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

/// By this machine's clock; what comes from a later one is new.
fn age(at: DateTime<Utc>) -> f64 {
    (Utc::now() - at).to_std().unwrap_or_default().as_secs_f64()
}
