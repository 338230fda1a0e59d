//! Every metric is there under its name, with its labels, and no other is.

use std::collections::BTreeSet;

use crate::support::{Figures, World, message, until};

/// Every metric: its name as Prometheus stores it, its kind, and its labels.
const ALL: [(&str, &str, &[&str]); 82] = [
    ("rowcast_accept_errors_total", "counter", &[]),
    ("rowcast_bell_reconnects_total", "counter", &[]),
    ("rowcast_bells_up", "gauge", &[]),
    ("rowcast_build_info", "gauge", &["version"]),
    ("rowcast_bus_dropped_total", "counter", &[]),
    ("rowcast_bus_up", "gauge", &[]),
    ("rowcast_canary_seconds", "gauge", &[]),
    ("rowcast_chat_failed_total", "counter", &["reason"]),
    ("rowcast_chat_first_word_seconds", "histogram", &[]),
    ("rowcast_chat_refused_total", "counter", &[]),
    ("rowcast_chat_replies_total", "counter", &[]),
    ("rowcast_chat_seconds", "histogram", &[]),
    ("rowcast_chat_tokens_total", "counter", &[]),
    ("rowcast_connections", "gauge", &[]),
    ("rowcast_connections_accepted_total", "counter", &[]),
    ("rowcast_connections_refused_total", "counter", &["reason"]),
    ("rowcast_delivered_bytes_total", "counter", &[]),
    ("rowcast_deliveries_total", "counter", &[]),
    ("rowcast_http_request_seconds", "histogram", &["method", "route"]),
    ("rowcast_http_requests_total", "counter", &["method", "route", "status"]),
    ("rowcast_hub_behind", "gauge", &[]),
    ("rowcast_hub_proved_seconds", "gauge", &[]),
    ("rowcast_leader_seconds", "gauge", &[]),
    ("rowcast_log_bytes", "gauge", &[]),
    ("rowcast_log_changes", "gauge", &[]),
    ("rowcast_log_oldest_seconds", "gauge", &[]),
    ("rowcast_max_descriptors", "gauge", &[]),
    ("rowcast_open_descriptors", "gauge", &[]),
    ("rowcast_page_reads_total", "counter", &[]),
    ("rowcast_pages_total", "counter", &[]),
    ("rowcast_pool_connections", "gauge", &["pool", "state"]),
    ("rowcast_pool_max", "gauge", &["pool"]),
    ("rowcast_post_group_size", "histogram", &[]),
    ("rowcast_posts_refused_total", "counter", &[]),
    ("rowcast_posts_waiting", "gauge", &[]),
    ("rowcast_process_cpu_seconds_total", "counter", &[]),
    ("rowcast_process_resident_bytes", "gauge", &[]),
    ("rowcast_rate_limited_total", "counter", &["reason"]),
    ("rowcast_ready", "gauge", &[]),
    ("rowcast_redis_reconnects_total", "counter", &[]),
    ("rowcast_relay_head", "gauge", &[]),
    ("rowcast_relay_lag_changes", "gauge", &[]),
    ("rowcast_relay_lag_seconds", "gauge", &[]),
    ("rowcast_relay_leading", "gauge", &[]),
    ("rowcast_relay_published", "gauge", &[]),
    ("rowcast_resets_total", "counter", &["reason"]),
    ("rowcast_resume_waits_total", "counter", &[]),
    ("rowcast_resumes_total", "counter", &["outcome", "source"]),
    ("rowcast_ring_bytes", "gauge", &[]),
    ("rowcast_ring_changes", "gauge", &[]),
    ("rowcast_ring_seconds", "gauge", &[]),
    ("rowcast_session_appends_refused_total", "counter", &["reason"]),
    ("rowcast_session_chunks_total", "counter", &["reason"]),
    ("rowcast_session_pages_total", "counter", &[]),
    ("rowcast_session_parked_total", "counter", &[]),
    ("rowcast_session_readers", "gauge", &[]),
    ("rowcast_session_readers_ended_total", "counter", &["reason"]),
    ("rowcast_session_readers_refused_total", "counter", &[]),
    ("rowcast_session_reads_total", "counter", &[]),
    ("rowcast_session_seconds", "histogram", &[]),
    ("rowcast_session_write_seconds", "histogram", &[]),
    ("rowcast_sessions_ended_total", "counter", &["reason"]),
    ("rowcast_sessions_open", "gauge", &[]),
    ("rowcast_sessions_opened_total", "counter", &[]),
    ("rowcast_sessions_refused_total", "counter", &[]),
    ("rowcast_slow_closes_total", "counter", &[]),
    ("rowcast_socket_deliveries_total", "counter", &[]),
    ("rowcast_socket_requests_total", "counter", &["event", "outcome"]),
    ("rowcast_socket_rooms", "gauge", &[]),
    ("rowcast_sockets", "gauge", &[]),
    ("rowcast_sockets_connected", "gauge", &[]),
    ("rowcast_sockets_ended_total", "counter", &["reason"]),
    ("rowcast_sockets_expired_total", "counter", &[]),
    ("rowcast_sockets_opened_total", "counter", &[]),
    ("rowcast_sockets_refused_total", "counter", &["reason"]),
    ("rowcast_stage_seconds", "histogram", &["stage"]),
    ("rowcast_stale", "gauge", &["stage"]),
    ("rowcast_streams", "gauge", &[]),
    ("rowcast_streams_ended_total", "counter", &["reason"]),
    ("rowcast_streams_opened_total", "counter", &[]),
    ("rowcast_trimmed_total", "counter", &[]),
    ("rowcast_uptime_seconds", "gauge", &[]),
];

/// There only when somebody was refused.
const MAY_BE_ABSENT: &str = "rowcast_rate_limited_total";

#[tokio::test]
async fn every_metric_is_there_under_its_name_with_its_labels_and_no_other_is() {
    let (_world, node) = World::with_node().await;
    let mut stream = node.stream("").await;
    node.say(message("here")).await;
    stream.take(1).await;
    let canary = async || Figures::of(&node).await.get("rowcast_canary_seconds", &[]).is_some();
    until("a canary came", canary).await;
    let figures = Figures::of(&node).await;
    for (name, kind, labels) in ALL {
        let family = figures.families.get(name.strip_suffix("_total").unwrap_or(name));
        let Some(family) = family else {
            assert_eq!(name, MAY_BE_ABSENT, "there is no {name}");
            continue;
        };
        assert_eq!((family.kind.as_str(), name.ends_with("_total")), (kind, kind == "counter"), "{name}");
        assert!(!family.samples.is_empty(), "{name} has no sample");
        for sample in &family.samples {
            let given: Vec<&str> = sample.labels.keys().map(String::as_str).filter(|label| *label != "le").collect();
            assert_eq!(given, labels, "{name}");
        }
    }
    let named: BTreeSet<&str> = ALL.iter().map(|(name, ..)| name.strip_suffix("_total").unwrap_or(name)).collect();
    let there: BTreeSet<&str> = figures.families.keys().map(String::as_str).collect();
    assert_eq!(there.difference(&named).collect::<Vec<_>>(), Vec::<&&str>::new());
    let stages = ["postgres", "capture", "relay", "redis", "hub"];
    assert_eq!(stages.map(|stage| figures.get("rowcast_stale", &[("stage", stage)])), [Some(0.0); 5]);
    assert_eq!(figures.get("rowcast_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), Some(1.0));
}
