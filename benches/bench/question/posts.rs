//! How many messages can be posted, beside what PostgreSQL takes without a server between, and what capture costs it.
//!
//! PostgreSQL is part of what is measured, so that nothing is kept apart: all share all processors. A slow disk is
//! imitated: PostgreSQL waits before each flush, with the same lock, and so holds up the same sessions as a flush does that
//! takes longer.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::{
    process::{Place, Role, at},
    report::{Report, Table, median},
    role::poster::{Plan, Posted, WINDOW},
    server::{Backend, CONTENT, Node, database, version, which},
};

/// Connections at the same time.
const CONNECTIONS: [usize; 3] = [1, 8, 64];

/// How much longer a flush of the slow disk takes, in microseconds.
const FLUSH: u32 = 2_000;

const SENDER: &str = "6f1c7a52-6d0f-4a42-93a1-0c7f4b2b7a10";

/// The statement of `POST /message`.
const INSERT: &str = "insert into messages (room, content, file, sender_id) values (:room, :content, null, :sender)
returning id, room, content, file, created_date, updated_date, sender_id, session_id;";

/// What one number of connections gave, in all rounds.
#[derive(Default)]
struct Figures {
    posted: Vec<Posted>,
    captured: Vec<f64>,
    bare: Vec<f64>,
}

/// What PostgreSQL is asked with.
struct Pgbench {
    program: PathBuf,
    script: PathBuf,
}

/// A node on a database of its own, and another database without triggers.
struct Scene {
    node: Node,
    captured: String,
    bare: String,
}

pub async fn ask(_backend: &Backend, report: &mut Report) {
    // One of its own: the other PostgreSQL is kept apart from the servers' processor.
    let backend = Backend::start(Place::Anywhere).await;
    let dir = tempfile::tempdir().unwrap();
    let pgbench = Pgbench::find(dir.path());
    let mut disks = [(0, CONNECTIONS.map(|_| Figures::default())), (FLUSH, CONNECTIONS.map(|_| Figures::default()))];
    for _ in 0..report.rounds {
        for (flush, figures) in &mut disks {
            let scene = Scene::begin(&backend, *flush).await;
            for (connections, figures) in CONNECTIONS.into_iter().zip(figures) {
                figures.posted.push(post(&scene.node, connections));
                if let Some(pgbench) = &pgbench {
                    figures.captured.push(pgbench.run(&scene.captured, connections));
                    figures.bare.push(pgbench.run(&scene.bare, connections));
                }
            }
        }
    }
    for (flush, figures) in &disks {
        report.add(table(*flush, figures, pgbench.as_ref()));
    }
    backend.services.stop().await;
}

impl Scene {
    async fn begin(backend: &Backend, flush: u32) -> Self {
        let bare = Self::database(backend, flush).await;
        // It makes the tables, and has nothing to do after that.
        drop(Node::leading(backend, &bare, Place::Anywhere).await);
        let mut session = PgConnection::connect(&bare).await.unwrap();
        session.execute("alter table messages disable trigger user").await.unwrap();
        let captured = Self::database(backend, flush).await;
        let node = Node::leading(backend, &captured, Place::Anywhere).await;
        Self { node, captured, bare }
    }

    /// A new database, on the disk of this machine as it is or with flushes so much longer.
    async fn database(backend: &Backend, flush: u32) -> String {
        let database = database(backend).await;
        if flush == 0 {
            return database;
        }
        let (_, name) = database.rsplit_once('/').unwrap();
        let mut session = PgConnection::connect(&database).await.unwrap();
        for setting in [format!("commit_delay = {flush}"), "commit_siblings = 0".to_owned()] {
            session.execute(AssertSqlSafe(format!("alter database {name} set {setting}"))).await.unwrap();
        }
        let mut session = PgConnection::connect(&database).await.unwrap();
        let settings =
            "select current_setting('fsync'), current_setting('commit_delay'), current_setting('commit_siblings')";
        let settings: (String, String, String) = sqlx::query_as(settings).fetch_one(&mut session).await.unwrap();
        // Without fsync PostgreSQL would not wait.
        assert_eq!(settings, ("on".to_owned(), flush.to_string(), "0".to_owned()));
        database
    }
}

fn post(node: &Node, connections: usize) -> Posted {
    let body = format!(r#"{{"room":"lobby","content":"{}","sender_id":"{SENDER}"}}"#, "x".repeat(CONTENT));
    let head = "POST /message HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length:";
    let request = format!("{head} {}\r\n\r\n{body}", body.len());
    Role::play("poster", &Plan { address: node.address, connections, request }, Place::Anywhere).says()
}

impl Pgbench {
    /// Finds it, also where Debian has it off the path.
    fn find(dir: &Path) -> Option<Self> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut places = versions.map(|version| version.path().join("bin/pgbench")).filter(|program| program.is_file());
        let program = which("pgbench").or_else(|| places.next())?;
        let script = dir.join("insert.sql");
        std::fs::write(&script, INSERT).unwrap();
        Some(Self { program, script })
    }

    /// Transactions in a second.
    fn run(&self, database: &str, connections: usize) -> f64 {
        let mut command = Command::new(&self.program);
        command.args(["-n", "-M", "prepared", "-j", "1", "-D", "room=lobby", "-D"]).arg(format!("sender={SENDER}"));
        command.arg("-D").arg(format!("content={}", "x".repeat(CONTENT))).arg("-f").arg(&self.script);
        command.arg("-c").arg(connections.to_string()).arg("-T").arg(WINDOW.as_secs().to_string()).arg(database);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = at(Place::Anywhere, || command.spawn().unwrap()).wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let output = String::from_utf8(output.stdout).unwrap();
        let tps = output.lines().find_map(|line| line.strip_prefix("tps = ")).expect("pgbench says it");
        tps.split_whitespace().next().unwrap().parse().unwrap()
    }
}

fn table(flush: u32, figures: &[Figures], pgbench: Option<&Pgbench>) -> Table {
    let disk = if flush == 0 { String::new() } else { format!(", each flush {} ms longer", f64::from(flush) / 1000.0) };
    let columns = [
        "connections at once",
        "`POST /message`, 1/s",
        "of pgbench",
        "p50 / p99 ms",
        "pgbench, 1/s",
        "pgbench without triggers, 1/s",
        "price of capture",
    ];
    let mut notes = vec!["nothing is pinned: server, clients, PostgreSQL and Redis share all processors".to_owned()];
    if let Some(pgbench) = pgbench {
        let version = version(&pgbench.program, "--version");
        notes.push(format!("{version}: the same INSERT, prepared, on the same database while the node relays it"));
    }
    if flush > 0 {
        notes
            .push(format!("the slow disk is imitated: `commit_delay = {flush}`, `commit_siblings = 0`, with fsync on"));
    }
    Table {
        name: "posts",
        question: format!("Posting messages of {CONTENT} bytes{disk}"),
        columns: columns.map(str::to_owned).to_vec(),
        rows: CONNECTIONS.into_iter().zip(figures).map(|(connections, figures)| row(connections, figures)).collect(),
        notes,
    }
}

fn row(connections: usize, figures: &Figures) -> Vec<String> {
    let posted = |of: fn(&Posted) -> f64| median(figures.posted.iter().map(of).collect());
    let (posts, captured, bare) =
        (posted(|one| one.per_second), median(figures.captured.clone()), median(figures.bare.clone()));
    let pgbench = |text: String| if figures.captured.is_empty() { "no pgbench".to_owned() } else { text };
    vec![
        connections.to_string(),
        format!("{posts:.0}"),
        pgbench(format!("{:.0} %", 100.0 * posts / captured)),
        format!("{:.2} / {:.2}", posted(|one| one.p50), posted(|one| one.p99)),
        pgbench(format!("{captured:.0}")),
        pgbench(format!("{bare:.0}")),
        pgbench(format!("{:.0} %", 100.0 * (1.0 - captured / bare))),
    ]
}
