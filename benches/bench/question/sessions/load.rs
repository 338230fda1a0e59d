//! What many sessions cost that are written and read at the same time, and up to where none of it waits.

use std::time::{Duration, Instant};

use redis::InfoDict;

use super::{SHARED, Scene, redis};
use crate::{
    process::{Role, Usage, usage},
    question::count,
    report::{Report, Table, median, percentile},
    role::{
        crowd,
        producer::{Answered, Order},
        text::Text,
    },
    server::{Backend, Node},
};

const SESSIONS: usize = 1_000;
const READERS: usize = 5;

/// Chunks a second in each session, one a request.
const PACES: [f64; 4] = [2.0, 5.0, 10.0, 20.0];

const SETTLE: Duration = Duration::from_secs(2);
const WINDOW: Duration = Duration::from_secs(6);

/// How long readers may take over the rest when nothing more is written.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the readers are.
#[derive(Debug, Clone, Copy)]
enum Readers {
    Here,
    Elsewhere,
}

/// What a pace gave.
struct Measured {
    /// A second.
    appended: f64,
    delivered: f64,
    /// Requests, while it was looked at.
    refused: f64,
    /// In milliseconds.
    p50: f64,
    p99: f64,
    /// Processors.
    first: f64,
    second: f64,
    redis: f64,
    clients: f64,
    /// Chunks that readers did not have in the end, of all that they should have.
    missing: f64,
    /// MiB of the node with the readers, and of what Redis holds.
    memory: f64,
    held: f64,
}

/// Who takes part in a round.
struct Round {
    _scene: Scene,
    producer: Role,
    readers: Role,
    /// The nodes, Redis, and the clients.
    processes: [Vec<u32>; 4],
    /// The node with the readers.
    node: u32,
    /// What a reader takes there, in KiB.
    each: f64,
}

pub async fn ask(_backend: &Backend, report: &mut Report) {
    let backend = super::backend().await;
    for readers in [Readers::Here, Readers::Elsewhere] {
        let (mut all, mut each): ([Vec<Measured>; _], _) = (PACES.map(|_| Vec::new()), Vec::new());
        for _ in 0..report.rounds {
            let mut round = Round::begin(&backend, readers).await;
            each.push(round.each);
            for (pace, measured) in PACES.into_iter().zip(&mut all) {
                measured.push(round.measure(&backend, pace).await);
            }
        }
        report.add(table(readers, &all, median(each)));
    }
    backend.services.stop().await;
}

impl Round {
    async fn begin(backend: &Backend, readers: Readers) -> Self {
        let (nodes, at) = match readers {
            Readers::Here => (1, 0),
            Readers::Elsewhere => (2, 1),
        };
        let scene = Scene::begin(backend, nodes, SESSIONS).await;
        let producer = scene.producer();
        let node = scene.nodes[at].id();
        tokio::time::sleep(SETTLE).await;
        let before = usage(&[node]).memory;
        let readers = scene.readers(at, READERS, true);
        tokio::time::sleep(SETTLE).await;
        let each = (usage(&[node]).memory - before) as f64 / (SESSIONS * READERS) as f64;
        let second = scene.nodes.get(1).map(Node::id);
        let redis: u32 = info(backend, "server").await.get("process_id").unwrap();
        let clients = vec![producer.id(), readers.id()];
        let processes = [vec![scene.nodes[0].id()], Vec::from_iter(second), vec![redis], clients];
        Self { _scene: scene, producer, readers, processes, node, each }
    }

    async fn measure(&mut self, backend: &Backend, pace: f64) -> Measured {
        self.producer.order(&Order::Write { chunks: 1, per_second: Some(pace) });
        self.counted(SETTLE).await;
        let before = self.processes.each_ref().map(|processes| usage(processes));
        let (answered, read) = self.counted(WINDOW).await;
        let after = self.processes.each_ref().map(|processes| usage(processes));
        let cores = |number: usize| {
            let cpu = |of: [Usage; 4]| of[number].cpu.as_secs_f64();
            (cpu(after) - cpu(before)) / read.seconds
        };
        let missing = self.missing().await;
        let held: f64 = info(backend, "memory").await.get("used_memory").unwrap();
        Measured {
            appended: answered.chunks as f64 / answered.seconds,
            refused: answered.refused as f64,
            delivered: read.events as f64 / read.seconds,
            p50: percentile(&read.micros, 500) / 1000.0,
            p99: percentile(&read.micros, 990) / 1000.0,
            first: cores(0),
            second: cores(1),
            redis: cores(2),
            clients: cores(3),
            missing,
            memory: usage(&[self.node]).memory as f64 / 1024.0,
            held: held / f64::from(1 << 20),
        }
    }

    async fn counted(&mut self, after: Duration) -> (Answered, crowd::Counted) {
        tokio::time::sleep(after).await;
        self.producer.order(&Order::Count);
        (self.producer.says(), count(&mut self.readers))
    }

    /// Lets the producer rest, and looks what of all that it has ever written the readers do not have.
    async fn missing(&mut self) -> f64 {
        self.producer.order(&Order::Rest);
        let written: Vec<Text> = self.producer.says();
        let end = Instant::now() + PATIENCE;
        loop {
            self.readers.order(&crowd::Order::Texts);
            let read: Vec<Text> = self.readers.says();
            let due = || written.iter().cycle().zip(&read);
            if due().all(|(written, read)| written == read) || Instant::now() > end {
                let wrong = due().filter(|(written, read)| written != read);
                // A text of the right length that is another one is missing as a whole.
                let missing = wrong.map(|(written, read)| match written.chunks.saturating_sub(read.chunks) {
                    0 => written.chunks,
                    missing => missing,
                });
                return missing.sum::<u64>() as f64 / due().map(|(written, _)| written.chunks).sum::<u64>() as f64;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn info(backend: &Backend, section: &str) -> InfoDict {
    ::redis::cmd("INFO").arg(section).query_async(&mut redis(backend).await).await.unwrap()
}

fn table(readers: Readers, all: &[Vec<Measured>], each: f64) -> Table {
    let place = match readers {
        Readers::Here => "on the same node",
        Readers::Elsewhere => "on another node",
    };
    let columns = [
        "chunks/s in each",
        "appends/s",
        "of those due",
        "refused",
        "deliveries/s",
        "arrived in the end",
        "lag p50 / p99 ms",
        "processors: node",
        "readers' node",
        "Redis",
        "clients",
        "readers' node, MiB",
        "Redis, MiB",
    ];
    Table {
        name: "sessions",
        question: format!("{SESSIONS} sessions with {READERS} readers each {place}"),
        columns: columns.map(str::to_owned).to_vec(),
        rows: PACES.into_iter().zip(all).map(|(pace, measured)| row(readers, pace, measured)).collect(),
        notes: vec![
            SHARED.to_owned(),
            format!(
                "a reader takes {each:.1} KiB of its node before anything is written, its part of the session with it"
            ),
            "memory is what is held after all that was written until then; all in one run, the slower first".to_owned(),
        ],
    }
}

fn row(readers: Readers, pace: f64, measured: &[Measured]) -> Vec<String> {
    let of = |of: fn(&Measured) -> f64| median(measured.iter().map(of).collect());
    // The worst of the rounds.
    let missing = measured.iter().map(|one| one.missing).fold(0.0, f64::max);
    vec![
        pace.to_string(),
        format!("{:.0}", of(|one| one.appended)),
        format!("{:.0} %", 100.0 * of(|one| one.appended) / pace / SESSIONS as f64),
        format!("{:.0}", of(|one| one.refused)),
        format!("{:.0}", of(|one| one.delivered)),
        if missing == 0.0 { "all".to_owned() } else { format!("all but {:.3} %", 100.0 * missing) },
        format!("{:.1} / {:.1}", of(|one| one.p50), of(|one| one.p99)),
        format!("{:.2}", of(|one| one.first)),
        match readers {
            Readers::Here => "the same".to_owned(),
            Readers::Elsewhere => format!("{:.2}", of(|one| one.second)),
        },
        format!("{:.2}", of(|one| one.redis)),
        format!("{:.2}", of(|one| one.clients)),
        format!("{:.0}", of(|one| one.memory)),
        format!("{:.0}", of(|one| one.held)),
    ]
}
