//! Traces: a request's own trace goes on in us, down to the commit; what the relay publishes is traced; and a collector
//! that is away disturbs nobody.

use std::{collections::HashMap, io::Write, time::Duration};

use opentelemetry_proto::tonic::{
    common::v1::any_value::Value,
    trace::v1::{Span, span::SpanKind, status::StatusCode as Outcome},
};
use reqwest::{Method, StatusCode};
use tokio::{net::TcpListener, time::Instant};
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::support::{Answer, Collector, Node, World, message, soon, until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attributes(span: &Span) -> HashMap<String, String> {
    let text = |value: Value| match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let pairs = span.attributes.iter().cloned();
    pairs.map(|pair| (pair.key, text(pair.value.unwrap().value.unwrap()))).collect()
}

async fn traced_node(world: &World, collector: &Collector, more: &[(&str, &str)]) -> Node {
    let settings = [&[("OTLP_ENDPOINT", collector.url.as_str())], more].concat();
    world.node_with(&settings).await
}

async fn post(node: &Node, flags: &str) -> Answer {
    let parent = format!("00-{TRACE}-{PARENT}-{flags}");
    let request = node.http.post(format!("{}/message?access_token=secret", node.url)).json(&message("traced"));
    Answer::of(request.header("traceparent", parent)).await
}

#[tokio::test]
async fn a_post_goes_on_in_its_callers_trace_down_to_the_commit() {
    let world = World::new().await;
    let collector = Collector::start().await;
    // The log says nothing of it, and that makes no difference.
    let node = traced_node(&world, &collector, &[("OTLP_SAMPLE", "0"), ("LOG", "off")]).await;
    assert_eq!(post(&node, "01").await.status, StatusCode::CREATED);
    let (request, commit) = (collector.span("POST /message").await, collector.span("commit").await);
    assert_eq!((hex(&request.trace_id), hex(&request.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
    assert_eq!((hex(&commit.trace_id), &commit.parent_span_id), (TRACE.to_owned(), &request.span_id));
    assert_eq!((request.kind(), commit.kind()), (SpanKind::Server, SpanKind::Client));
    let told = attributes(&request);
    assert_eq!(told["http.request.method"], "POST");
    assert_eq!(told["http.route"], "/message");
    assert_eq!(told["http.response.status_code"], "201");
    assert!(request.start_time_unix_nano <= commit.start_time_unix_nano);
    assert!(commit.end_time_unix_nano <= request.end_time_unix_nano);
    assert!(!format!("{:?}", collector.spans()).contains("secret"));
}

#[tokio::test]
async fn the_relay_traces_each_batch_with_its_count_and_positions() {
    let world = World::new().await;
    let collector = Collector::start().await;
    let node = traced_node(&world, &collector, &[("OTLP_SAMPLE", "1")]).await;
    let mut stream = node.stream("").await;
    world
        .sql("insert into messages (content, sender_id) select 'a', gen_random_uuid() from generate_series(1, 100)")
        .await;
    stream.take(100).await;
    let told = || {
        let batches = collector.spans().into_iter().filter(|span| span.name == "publish");
        batches.map(|span| attributes(&span)).collect::<Vec<_>>()
    };
    let number = |told: &HashMap<String, String>, name: &str| told[name].parse::<i64>().unwrap();
    let count = || told().iter().map(|batch| number(batch, "messaging.batch.message_count")).sum::<i64>();
    until("all batches are traced", async || count() == 100).await;
    let batches = told();
    assert!(batches.len() < 100, "not one for each change");
    let mut next = 1;
    for batch in &batches {
        assert_eq!(number(batch, "rowcast.first"), next);
        next += number(batch, "messaging.batch.message_count");
        assert_eq!(number(batch, "rowcast.last"), next - 1);
    }
}

#[tokio::test]
async fn the_caller_decides_and_else_the_share() {
    let world = World::new().await;
    let collector = Collector::start().await;
    let all = traced_node(&world, &collector, &[("OTLP_SAMPLE", "1")]).await;
    // The caller's trace is not followed: nor is it here.
    assert_eq!(post(&all, "00").await.status, StatusCode::CREATED);
    all.get("/message/1").await;
    collector.span("GET /message/{id}").await;
    assert!(collector.spans().iter().all(|span| span.name != "POST /message"), "it came before, and was not traced");
    drop(all);
    let none = traced_node(&world, &collector, &[("OTLP_SAMPLE", "0")]).await;
    none.get("/health/live").await;
    assert_eq!(post(&none, "01").await.status, StatusCode::CREATED);
    let request = collector.span("POST /message").await;
    assert_eq!(hex(&request.parent_span_id), PARENT);
    let names: Vec<String> = collector.spans().into_iter().map(|span| span.name).collect();
    assert_eq!(names.iter().filter(|name| *name == "POST /message").count(), 1, "{names:?}");
    assert!(!names.contains(&"GET /health/live".to_owned()), "{names:?}");
}

#[tokio::test]
async fn a_failure_of_ours_is_one_in_the_trace_and_a_clients_is_not() {
    let world = World::new().await;
    let collector = Collector::start().await;
    let node = traced_node(&world, &collector, &[("OTLP_SAMPLE", "1"), ("LOG", "off")]).await;
    node.get("/message/1").await;
    world.sql("alter table messages rename to elsewhere").await;
    node.get("/message").await;
    node.send(Method::from_bytes(b"BREW").unwrap(), "/nowhere/secret", None).await;
    let failed = collector.span("GET /message").await;
    assert_eq!(attributes(&failed)["http.response.status_code"], "500");
    assert_eq!(failed.status.unwrap().code(), Outcome::Error);
    let missing = collector.span("GET /message/{id}").await;
    assert_eq!(missing.status.unwrap_or_default().code(), Outcome::Unset);
    let odd = collector.span("_OTHER unmatched").await;
    assert!(!format!("{odd:?}").contains("secret"));
}

#[tokio::test]
async fn the_last_spans_are_sent_before_a_node_ends() {
    let world = World::new().await;
    let collector = Collector::start().await;
    let mut node = traced_node(&world, &collector, &[("OTLP_SAMPLE", "1")]).await;
    for _ in 0..20 {
        node.get("/message").await;
    }
    node.signal("TERM");
    assert!(soon("the end", node.process.wait()).await.unwrap().success());
    assert_eq!(collector.spans().iter().filter(|span| span.name == "GET /message").count(), 20);
}

#[tokio::test]
async fn a_collector_that_is_away_disturbs_nobody_and_is_told_of_once() {
    let world = World::new().await;
    // Nobody listens there.
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{away}");
    let settings = [("OTLP_ENDPOINT", url.as_str()), ("OTLP_SAMPLE", "1"), ("LOG", "info")];
    let (mut node, log) = Node::start_logged(&world, &settings).await;
    let mut stream = node.stream("").await;
    node.say(message("1")).await;
    assert_eq!(stream.next().await.content(), "1");
    log.line(&["the collector does not take traces"]).await;
    // Two more batches fail while the node serves on.
    let since = Instant::now();
    until("batches fail", async || {
        assert_eq!(node.get("/message").await.status, StatusCode::OK);
        since.elapsed() > Duration::from_secs(3)
    })
    .await;
    let since = Instant::now();
    node.signal("TERM");
    assert!(soon("the end", node.process.wait()).await.unwrap().success());
    assert!(since.elapsed() < Duration::from_secs(15), "it ends after {:?}", since.elapsed());
    assert_eq!(log.text().matches("the collector does not take traces").count(), 1, "{}", log.text());
}

#[tokio::test]
async fn spans_beyond_the_queue_are_dropped_and_nobody_waits() {
    let world = World::new().await;
    let collector = Collector::start().await;
    collector.answers.send_replace(false);
    let mut node = traced_node(&world, &collector, &[("OTLP_SAMPLE", "0"), ("OTLP_QUEUE", "10")]).await;
    for _ in 0..100 {
        assert_eq!(post(&node, "01").await.status, StatusCode::CREATED);
    }
    collector.answers.send_replace(true);
    node.signal("TERM");
    assert!(soon("the end", node.process.wait()).await.unwrap().success());
    let kept = collector.spans().len();
    assert!((10..=30).contains(&kept), "{kept} of 200 were kept");
}

#[tokio::test]
async fn a_node_ends_although_its_collector_does_not_answer() {
    let world = World::new().await;
    let collector = Collector::start().await;
    collector.answers.send_replace(false);
    let mut node = traced_node(&world, &collector, &[("OTLP_SAMPLE", "0")]).await;
    assert_eq!(post(&node, "01").await.status, StatusCode::CREATED);
    let since = Instant::now();
    node.signal("TERM");
    assert!(soon("the end", node.process.wait()).await.unwrap().success());
    assert!(since.elapsed() < Duration::from_millis(4500), "it ends after {:?}", since.elapsed());
}

#[tokio::test]
async fn without_a_collector_nothing_is_sent_anywhere() {
    let world = World::new().await;
    let collector = Collector::start().await;
    // The standard's own variable is not ours.
    let mut node = world.node_with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url), ("OTLP_SAMPLE", "1")]).await;
    assert_eq!(post(&node, "01").await.status, StatusCode::CREATED);
    node.signal("TERM");
    assert!(soon("the end", node.process.wait()).await.unwrap().success());
    assert!(collector.spans().is_empty());
}

#[tokio::test]
async fn a_collector_behind_tls_is_reached_if_its_certificate_is_trusted() {
    let world = World::new().await;
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let collector = Collector::with_tls(vec![cert.der().clone()], key).await;
    let mut trusted = tempfile::NamedTempFile::new().unwrap();
    trusted.write_all(cert.pem().as_bytes()).unwrap();
    let file = trusted.path().to_str().unwrap();
    let node = traced_node(&world, &collector, &[("SSL_CERT_FILE", file), ("OTLP_SAMPLE", "0")]).await;
    assert_eq!(post(&node, "01").await.status, StatusCode::CREATED);
    assert_eq!(hex(&collector.span("commit").await.trace_id), TRACE);
}
