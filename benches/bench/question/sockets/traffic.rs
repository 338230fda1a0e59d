//! What it costs to tell many sockets, and how fast it can be: in one room, and in many.

use std::time::Duration;

use super::sockets;
use crate::{
    process::{Role, usage},
    question::fanout::figure,
    report::{Report, Table, median, percentile},
    role::sockets::{Counted, Order, Pace, Rested},
    server::{
        Backend, CONTENT,
        socketio::{Chat, Nodes, rival},
    },
};

const SETTLE: Duration = Duration::from_millis(1500);
const WINDOW: Duration = Duration::from_secs(4);

/// How many listen, in how many rooms, and how fast messages are said: modestly, and then as fast as they are heard. So
/// many may be on their way in a room that none of the nodes has to wait for the other.
const SCENES: [(usize, usize, [Pace; 3]); 3] = [
    (1_000, 1, [Pace::PerSecond(20.0), Pace::PerSecond(80.0), Pace::Ahead(32)]),
    (5_000, 1, [Pace::PerSecond(4.0), Pace::PerSecond(16.0), Pace::Ahead(32)]),
    (1_000, 100, [Pace::PerSecond(100.0), Pace::PerSecond(1_000.0), Pace::Ahead(16)]),
];

/// What one measurement gave.
struct Measured {
    said: f64,
    delivered: f64,
    /// Of the processor of the node of those who listen, for each delivery.
    micros: f64,
    /// What that node had of its processor, and the clients of theirs.
    busy: [f64; 2],
    /// Of a processor, for each message, where they are said.
    saying: f64,
    /// In milliseconds.
    answered: [f64; 2],
    heard: [f64; 2],
    missing: u64,
    gone: usize,
}

pub async fn ask(backend: &Backend, report: &mut Report) {
    for (count, rooms, paces) in SCENES {
        let chats = Chat::all();
        let mut all: Vec<(Chat, [Vec<Measured>; 3])> =
            chats.into_iter().map(|chat| (chat, paces.map(|_| Vec::new()))).collect();
        for _ in 0..report.rounds {
            for (chat, measured) in &mut all {
                let nodes = chat.start(backend).await;
                let mut sockets = sockets(&nodes, count, rooms);
                tokio::time::sleep(SETTLE).await;
                for (pace, measured) in paces.into_iter().zip(measured) {
                    measured.push(measure(&nodes, &mut sockets, pace).await);
                }
            }
        }
        report.add(table(count, rooms, paces, &all));
    }
}

async fn measure(nodes: &Nodes, sockets: &mut Role, pace: Pace) -> Measured {
    sockets.order(&Order::Speak(pace));
    tokio::time::sleep(SETTLE).await;
    let used = |sockets: &Role| {
        let [saying, telling] = nodes.usage();
        [saying, telling, usage(&[sockets.id()])].map(|usage| usage.cpu.as_secs_f64())
    };
    let (_, before) = (counted(sockets), used(sockets));
    tokio::time::sleep(WINDOW).await;
    let (counted, after) = (counted(sockets), used(sockets));
    sockets.order(&Order::Rest);
    let Rested { missing, gone } = sockets.says();
    let [saying, telling, hearing] = [0, 1, 2].map(|process| after[process] - before[process]);
    let both = |sorted: &[u32]| [500, 990].map(|thousandths| percentile(sorted, thousandths) / 1000.0);
    Measured {
        said: counted.answered as f64 / counted.seconds,
        delivered: counted.delivered as f64 / counted.seconds,
        micros: telling * 1e6 / counted.delivered as f64,
        busy: [telling, hearing].map(|seconds| 100.0 * seconds / counted.seconds),
        saying: saying * 1e6 / counted.answered as f64,
        answered: both(&counted.answers),
        heard: both(&counted.micros),
        missing,
        gone,
    }
}

fn counted(sockets: &mut Role) -> Counted {
    sockets.order(&Order::Count);
    sockets.says()
}

fn table(count: usize, rooms: usize, paces: [Pace; 3], all: &[(Chat, [Vec<Measured>; 3])]) -> Table {
    let columns = [
        "messages a second",
        "",
        "said/s",
        "deliveries/s",
        "CPU µs for each",
        "of a processor: this node / clients, %",
        "CPU µs to say one, on the other node",
        "answered after p50 / p99 ms",
        "heard after p50 / p99 ms",
        "heard in the end",
    ];
    let place = if rooms == 1 { "one room".to_owned() } else { format!("{rooms} rooms") };
    let each_pace = |(number, pace): (usize, Pace)| {
        all.iter().map(move |(chat, measured)| row(pace, *chat, &measured[number])).collect::<Vec<_>>()
    };
    let [.., Pace::Ahead(ahead)] = paces else { unreachable!("the last pace is this one") };
    Table {
        name: "sockets",
        question: format!("{count} sockets in {place}, messages of {CONTENT} bytes by `sendMessage`"),
        columns: columns.map(str::to_owned).to_vec(),
        rows: paces.into_iter().enumerate().flat_map(each_pace).collect(),
        notes: vec![
            rival(),
            "who listens is at one node, which has a processor of its own; who speaks, one for each room, is at another"
                .to_owned(),
            format!("as fast as they are heard: {ahead} messages of each room on their way at any time"),
        ],
    }
}

fn row(pace: Pace, chat: Chat, measured: &[Measured]) -> Vec<String> {
    let of = |of: fn(&Measured) -> f64| median(measured.iter().map(of).collect());
    let both = |of: fn(&Measured) -> [f64; 2], digits| {
        let [first, second] = [0, 1].map(|number| median(measured.iter().map(|one| of(one)[number]).collect()));
        format!("{} / {}", figure(first, digits), figure(second, digits))
    };
    // The worst of the rounds.
    let missing = measured.iter().map(|one| one.missing).max().unwrap_or_default();
    let gone = measured.iter().map(|one| one.gone).max().unwrap_or_default();
    vec![
        match pace {
            Pace::PerSecond(rate) => rate.to_string(),
            Pace::Ahead(_) => "as fast as they are heard".to_owned(),
        },
        chat.name().to_owned(),
        format!("{:.0}", of(|one| one.said)),
        format!("{:.0}", of(|one| one.delivered)),
        figure(of(|one| one.micros), 2),
        both(|one| one.busy, 0),
        figure(of(|one| one.saying), 0),
        both(|one| one.answered, 1),
        both(|one| one.heard, 1),
        match (missing, gone) {
            (0, 0) => "all, by all".to_owned(),
            (missing, gone) => format!("all but {missing}; {gone} sockets sent away"),
        },
    ]
}
