//! Clients that misbehave, alone or by the thousand: they cost what they are worth, and the others do not notice.

use std::{net::SocketAddr, time::Duration};

use rowcast::change::{EventId, Position};
use socket2::{SockFilter, SockRef};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
    time::Instant,
};

use crate::support::{
    SENDER,
    crowd::{Crowd, Manner},
    stage::{Outcome, Scale, Stage},
    until,
};

/// A p99 that moves by less than this is noise: of the machine, and of the clients that share its processors.
const NOISE: Duration = Duration::from_millis(10);

/// The instruction of a packet filter that ends it: here with 0, which drops the packet.
const BPF_RETURN: u16 = 6;

/// Connections to all nodes in turn that ask for a stream and read nothing of it.
async fn unread(stage: &Stage, count: usize, path: &str) -> Vec<TcpStream> {
    let addresses: Vec<SocketAddr> = (0..stage.nodes.len()).map(|node| stage.address(node).parse().unwrap()).collect();
    let mut clients = Vec::with_capacity(count);
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    for address in addresses.iter().cycle().take(count) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut client = socket.connect(*address).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        clients.push(client);
    }
    let there = stage.streams() + count;
    until("all are connected", async || subscribers(stage).await + 2 >= there).await;
    clients
}

/// How many are subscribed, on all nodes.
async fn subscribers(stage: &Stage) -> usize {
    sum(stage, "subscribers").await
}

/// A number of the hub, of all nodes together.
async fn sum(stage: &Stage, number: &str) -> usize {
    let mut sum = 0;
    for node in 0..stage.nodes.len() {
        sum += stage.health(node).await["hub"][number].as_u64().unwrap() as usize;
    }
    sum
}

/// Waits until nobody but the crowd is left; its restless ones may be counted twice for a moment.
async fn alone(stage: &Stage) {
    let there = stage.streams() + stage.crowd.len() / 10 + 2;
    until("the others are gone", async || subscribers(stage).await <= there).await;
}

/// The memory of all nodes, in KiB.
fn memory(stage: &Stage) -> usize {
    stage.nodes.iter().map(|wired| wired.node.memory("VmRSS")).sum()
}

/// The p99 of the crowd while nothing is amiss.
async fn usual(stage: &Stage) -> Duration {
    stage.crowd.measure();
    stage.flow(10.0).await;
    stage.crowd.p99()
}

/// Runs something, and compares what the crowd notices of it with what is usual.
async fn unnoticed(stage: &mut Stage, usual: Duration, trouble: impl AsyncFnOnce(&mut Stage)) {
    stage.crowd.measure();
    let since = Instant::now();
    trouble(stage).await;
    tokio::time::sleep_until(since + stage.scale.span(10.0)).await;
    let meanwhile = stage.crowd.p99();
    stage.note(format!("p99 {usual:.1?} before, {meanwhile:.1?} meanwhile"));
    // The small tests run beside hundreds of others: there it is those that would be measured.
    if stage.scale.is_full() && meanwhile > usual * 2 + NOISE {
        stage.outcome.wrong.push(format!("p99 moved from {usual:?} to {meanwhile:?}"));
    }
}

/// They connect and read nothing, until they are closed.
pub async fn who_read_nothing(scale: Scale) -> Outcome {
    let settings = [("WRITE_TIMEOUT", "3s"), ("RING_BYTES", "8MiB")];
    let mut stage = Stage::busy(scale, 2, &[], &settings).await;
    let (count, before) = (scale.of(500), memory(&stage));
    let mut most = before;
    let usual = usual(&stage).await;
    unnoticed(&mut stage, usual, async |stage| {
        let since = Instant::now();
        let clients = unread(stage, count, "/stream").await;
        let large = format!("insert into messages (content, sender_id) values (repeat('large', 800), '{SENDER}')");
        while subscribers(stage).await > stage.streams() + stage.crowd.len() / 10 + 2 {
            stage.world.sql(&large).await;
            most = most.max(memory(stage));
            assert!(since.elapsed() < Duration::from_secs(60), "they are not closed");
        }
        stage.note(format!("{count} closed after {:.1?}", since.elapsed()));
        drop(clients);
    })
    .await;
    let grown = (most - before) / count;
    stage.note(format!("{grown} KiB for each of {count}, at most"));
    if most - before > 32 * 1024 + count * 160 {
        stage.outcome.wrong.push(format!("memory grew from {before} to {most} KiB"));
    }
    stage.recovers(Instant::now(), None).await;
    stage.close().await
}

/// They are cut off and come back all at once, far behind: the log is read once for all of them.
pub async fn who_return_at_once(scale: Scale) -> Outcome {
    // The processors are the clients' as well: at the full rate, it is they whom the others would wait for.
    let scale = Scale { rate: scale.rate / 5, ..scale };
    let mut stage = Stage::busy(scale, 2, &[], &[("RING_CHANGES", "512")]).await;
    let (count, behind) = (scale.of(5000), 1000);
    let manner = Manner { elsewhere: true, ..Manner::default() };
    let there = stage.gather(count, &manner).await;
    let reads = sum(&stage, "page_reads").await;
    let usual = usual(&stage).await;
    drop(there);
    alone(&stage).await;
    let head = pass_by(&mut stage, behind).await;
    let from = Some(EventId::new(head.generation, head.position - behind));
    let mut back = Crowd::default();
    unnoticed(&mut stage, usual, async |stage| {
        let since = Instant::now();
        back = stage.gather(count, &Manner { from, ..manner }).await;
        until("all are live", async || back.all(|seen| seen.at >= Some(head))).await;
        stage.outcome.recovered = since.elapsed();
        stage.compare(&back);
        let wrong = back.sum(|seen| seen.missing.len() + seen.repeated as usize + seen.disordered as usize);
        stage.note(format!("{count} back, {wrong} faults, all live after {:.1?}", since.elapsed()));
        stage.outcome.lost += wrong;
    })
    .await;
    drop(back);
    let reads = sum(&stage, "page_reads").await - reads;
    // The pages before the head are read once by each node; the one that the head is in, whenever it has grown.
    let enough = 2 * (behind as usize / 256 + 2);
    stage.note(format!("{reads} queries of the log"));
    if reads > 6 * enough {
        stage.outcome.wrong.push(format!("{reads} queries of the log, where {enough} are enough"));
    }
    stage.close().await
}

/// So many changes that all get who are there; where the last one is.
async fn pass_by(stage: &mut Stage, count: Position) -> EventId {
    let many =
        format!("insert into messages (content, sender_id) select 'past', '{SENDER}' from generate_series(1, {count})");
    stage.world.sql(&many).await;
    let mark = stage.mark().await;
    until("all have it", async || stage.has(&mark)).await;
    stage.record.mark(&mark).unwrap()
}

/// They go all at once, while others come.
pub async fn who_vanish_at_once(scale: Scale) -> Outcome {
    let mut stage = Stage::busy(scale, 2, &[], &[]).await;
    let (count, before) = (scale.of(10_000), memory(&stage));
    let clients = unread(&stage, count, "/stream?room=quiet").await;
    let each = (memory(&stage) - before) / count;
    let usual = usual(&stage).await;
    unnoticed(&mut stage, usual, async |stage| {
        let since = Instant::now();
        drop(clients);
        let joining = stage.gather(count / 20, &Manner { elsewhere: true, ..Manner::default() }).await;
        let joined = since.elapsed();
        drop(joining);
        alone(stage).await;
        stage.note(format!(
            "{each} KiB each; gone after {:.1?}, {} others in after {joined:.1?}",
            since.elapsed(),
            count / 20
        ));
    })
    .await;
    stage.recovers(Instant::now(), None).await;
    stage.close().await
}

/// Their network is gone, and nobody says so: no packet comes back.
pub async fn who_are_half_open(scale: Scale) -> Outcome {
    let mut stage = Stage::busy(scale, 2, &[], &[("KEEP_ALIVE", "1s"), ("WRITE_TIMEOUT", "3s")]).await;
    let count = scale.of(200);
    let clients = unread(&stage, count, "/stream?room=quiet").await;
    let nothing = [SockFilter::new(BPF_RETURN, 0, 0, 0)];
    for client in &clients {
        SockRef::from(client).attach_filter(&nothing).unwrap();
    }
    let since = Instant::now();
    alone(&stage).await;
    stage.note(format!("{count} noticed and let go after {:.1?}", since.elapsed()));
    drop(clients);
    stage.recovers(Instant::now(), None).await;
    stage.close().await
}

/// They take every descriptor that the first node may have.
pub async fn who_take_every_descriptor(scale: Scale) -> Outcome {
    let mut stage = Stage::busy(scale, 2, &[], &[]).await;
    stage.hide(0);
    let process = stage.nodes[0].node.id();
    let open = || std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count();
    let (free, most) = (10, open() + 10);
    limit_descriptors(process, most);
    let address = stage.address(0);
    // The kernel takes those, too, that the node cannot.
    let clients = futures_util::future::try_join_all((0..10 * free).map(|_| TcpStream::connect(&address))).await;
    let clients = clients.unwrap();
    until("all descriptors are taken", async || open() >= most).await;
    let (since, worked) = (Instant::now(), processor_time(process));
    stage.recovers(since, None).await;
    stage.flow(10.0).await;
    let busy = (processor_time(process) - worked).as_secs_f64() / since.elapsed().as_secs_f64();
    stage.note(format!("the node took {busy:.2} of a processor meanwhile"));
    if busy > 0.6 {
        stage.outcome.wrong.push("it tries to accept again and again".to_owned());
    }
    drop(clients);
    limit_descriptors(process, 10_000);
    assert_eq!(stage.nodes[0].node.get("/health/live").await.status, 200, "it accepts again");
    stage.show(0);
    stage.recovers(Instant::now(), None).await;
    stage.close().await
}

fn limit_descriptors(process: i32, most: usize) {
    let mut limit = std::process::Command::new("prlimit");
    limit.args(["--pid", &process.to_string(), &format!("--nofile={most}:10000")]);
    assert!(limit.status().unwrap().success());
}

/// What a process has used of the processors.
fn processor_time(process: i32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}
