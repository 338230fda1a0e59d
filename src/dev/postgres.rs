//! The private PostgreSQL: made once, started each time, its settings on the command line.
//!
//! The one role is `rowcast`, superuser, with a password, over TCP on the loopback address. There is no Unix socket,
//! since its path may be at most 107 bytes long and directories have no such bound. Role password and database come
//! from the single-user mode, which reads SQL from its standard input: no client, and no password in a file or where
//! `ps` shows it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::{sys::signal::kill, unistd::Pid};
use tokio::{process::Command, time::sleep};

use super::{
    DevError,
    directory::Directory,
    home::Home,
    log::Log,
    port, programs,
    server::{self, ORDERS, Server},
};

const NAME: &str = "PostgreSQL";

/// How often the state is looked at while waiting.
const PACE: Duration = Duration::from_millis(20);

/// Locales in which a message sorts the same everywhere; the first also knows the case of all letters, but old systems
/// lack it.
const LOCALES: [&str; 2] = ["C.UTF-8", "C"];

/// Starts PostgreSQL, and makes its data first if there are none.
pub(super) async fn start(directory: &Directory, settings: &[(String, String)]) -> Result<(Server, u16), DevError> {
    let cluster = Cluster::of(directory)?;
    cluster.stop_leftover().await;
    let log = Log::create(directory.file("postgres.log"))?;
    if !cluster.data.exists() {
        cluster.create(&directory.password, &log).await?;
    }
    let serve = |port| cluster.serve(port, settings, &log);
    port::on_free_port(&directory.file("postgres.port"), serve).await
}

/// A data directory and its programs; PostgreSQL's own word.
struct Cluster {
    home: Home,
    programs: PathBuf,
    data: PathBuf,
}

impl Cluster {
    fn of(directory: &Directory) -> Result<Self, DevError> {
        let home = Home::of(directory, "postgres")?;
        let data = home.path.join("data");
        let version = fs::read_to_string(data.join("PG_VERSION")).ok();
        let programs = programs::postgres(version.as_deref().map(str::trim))?;
        Ok(Self { home, programs, data })
    }

    /// Makes the data aside and renames them: what a crash left half done is never mistaken for data.
    async fn create(&self, password: &str, log: &Log) -> Result<(), DevError> {
        let draft = self.home.path.join("data.new");
        let mut outcome = Ok(());
        for locale in LOCALES {
            remove(&draft)?;
            outcome = self.initdb(&draft, locale, log).await;
            if outcome.is_ok() {
                break;
            }
        }
        outcome?;
        self.prepare(&draft, password, log).await?;
        fs::rename(&draft, &self.data).map_err(DevError::file("create", &self.data))
    }

    async fn initdb(&self, data: &Path, locale: &str, log: &Log) -> Result<(), DevError> {
        let mut command = self.home.command(&self.programs.join("initdb"));
        command.args(["--username=rowcast", "--encoding=UTF8", "--locale", locale]);
        command.args(["--auth-local=reject", "--auth-host=scram-sha-256", "--pgdata"]).arg(data);
        server::run("initdb", command, "", log).await
    }

    /// Sets the password and makes the database. In single-user mode each line is a statement.
    async fn prepare(&self, data: &Path, password: &str, log: &Log) -> Result<(), DevError> {
        let mut command = self.home.command(&self.programs.join("postgres"));
        command.args(["--single", "-c", "exit_on_error=on", "-c", "password_encryption=scram-sha-256", "-D"]);
        command.arg(data).arg("postgres");
        let sql = format!("ALTER ROLE rowcast PASSWORD '{password}'\nCREATE DATABASE rowcast\n");
        server::run("PostgreSQL's single-user mode", command, &sql, log).await
    }

    async fn serve(&self, port: u16, settings: &[(String, String)], log: &Log) -> Result<Server, DevError> {
        let server = Server::spawn(NAME, self.command(port, settings), "", log).await?;
        let pid = server.id();
        server.until(self.ready(pid)).await
    }

    fn command(&self, port: u16, settings: &[(String, String)]) -> Command {
        let mut command = self.home.command(&self.programs.join("postgres"));
        command.arg("-D").arg(&self.data);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        command.args(["-c", &format!("port={port}")]);
        for (name, value) in settings {
            command.args(["-c", &format!("{name}={value}")]);
        }
        command
    }

    /// Resolves when the server `pid` has written into its pid file that it takes connections, as a standby maybe.
    async fn ready(&self, pid: Option<Pid>) {
        while self.pid_file() != (pid, true) {
            sleep(PACE).await;
        }
    }

    /// What the server's pid file says: its process id in the first line, its state in the eighth.
    fn pid_file(&self) -> (Option<Pid>, bool) {
        let text = fs::read_to_string(self.data.join("postmaster.pid")).unwrap_or_default();
        let pid = text.lines().next().and_then(|line| line.trim().parse().ok()).map(Pid::from_raw);
        let ready = text.lines().nth(7).is_some_and(|line| ["ready", "standby"].contains(&line.trim()));
        (pid, ready)
    }

    /// Stops a server that still runs on these data, which only happens if our guardian was killed too, or has not
    /// finished yet. The lock of the directory tells that nobody else needs it.
    async fn stop_leftover(&self) {
        for (order, patience) in ORDERS {
            let Some(pid) = self.leftover() else { return };
            tracing::info!(%pid, "stopping a PostgreSQL that was left running on {}", self.data.display());
            let _ = kill(pid, order);
            let deadline = Instant::now() + patience;
            while self.leftover() == Some(pid) && Instant::now() < deadline {
                sleep(PACE).await;
            }
        }
    }

    /// The process that the pid file names, if it is a server on these data: after a crash or a reboot the number may
    /// be a stranger's. Without `/proc` none is recognized, and PostgreSQL itself refuses to start a second server.
    fn leftover(&self) -> Option<Pid> {
        let pid = self.pid_file().0?;
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let data = self.data.as_os_str().as_encoded_bytes();
        arguments.split(|byte| *byte == 0).any(|argument| argument == data).then_some(pid)
    }
}

fn remove(dir: &Path) -> Result<(), DevError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome.map_err(DevError::file("remove", dir)),
    }
}
