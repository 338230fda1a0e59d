//! One running server process: when it is ready, when it ended, how it is stopped; and the tools that prepare it.

use std::{
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
    time::{sleep, timeout},
};

use super::{DevError, guardian::Guardian, log::Log};

/// How long a start may take; PostgreSQL may have to recover from a crash first.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How a server is stopped, and how long it may take over each order. To an interrupt PostgreSQL answers with a fast
/// shutdown, Redis saves and exits. At the second order both give up, and PostgreSQL repairs itself at the next start.
pub(super) const ORDERS: [(Signal, Duration); 3] = [
    (Signal::SIGINT, Duration::from_secs(20)),
    (Signal::SIGQUIT, Duration::from_secs(5)),
    (Signal::SIGKILL, Duration::from_secs(5)),
];

/// A server under its guardian. Dropped, it is interrupted but not waited for.
pub(super) struct Server {
    name: &'static str,
    log: Log,
    child: Child,
    guardian: Guardian,
}

impl Server {
    /// Starts the server and gives it `input` to read.
    pub(super) async fn spawn(name: &'static str, command: Command, input: &str, log: &Log) -> Result<Self, DevError> {
        let mut child = spawn(name, command, log)?;
        let pid = child.id().expect("a child that was not waited for has a process id");
        let guardian = Guardian::of(pid).map_err(DevError::process("start", "the guardian"))?;
        feed(&mut child, input).await;
        Ok(Self { name, log: log.clone(), child, guardian })
    }

    /// Waits for `ready`, unless the server ends or the time is up before that.
    pub(super) async fn until(mut self, ready: impl Future<Output = ()>) -> Result<Self, DevError> {
        tokio::select! {
            () = ready => Ok(self),
            error = self.ended() => Err(error),
            () = sleep(READY_WITHIN) => Err(self.too_slow()),
        }
    }

    /// Waits until the server ends by itself, and says how.
    pub(super) async fn ended(&mut self) -> DevError {
        let outcome = self.child.wait().await;
        self.guardian.dismiss();
        match outcome {
            Ok(status) => ended(self.name, status, &self.log),
            Err(error) => DevError::process("wait for", self.name)(error),
        }
    }

    /// Stops the server and waits for its end.
    pub(super) async fn stop(mut self) {
        self.guardian.dismiss();
        for (order, patience) in ORDERS {
            let Some(pid) = self.id() else { return };
            // It fails if the server has just ended, which the wait below finds out.
            let _ = kill(pid, order);
            if timeout(patience, self.child.wait()).await.is_ok() {
                return;
            }
            tracing::warn!(server.name = self.name, %order, "{} does not stop at {order}", self.name);
        }
    }

    /// The process id, unless the server has ended.
    pub(super) fn id(&self) -> Option<Pid> {
        let id = self.child.id()?;
        i32::try_from(id).ok().map(Pid::from_raw)
    }

    fn too_slow(&self) -> DevError {
        let (log, tail) = (self.log.path().to_owned(), self.log.tail());
        DevError::TooSlow { name: self.name, waited: READY_WITHIN, log, tail }
    }
}

/// Runs a tool to its end, with `input` to read.
pub(super) async fn run(name: &'static str, mut command: Command, input: &str, log: &Log) -> Result<(), DevError> {
    command.kill_on_drop(true);
    let mut child = spawn(name, command, log)?;
    feed(&mut child, input).await;
    let status = child.wait().await.map_err(DevError::process("wait for", name))?;
    if status.success() { Ok(()) } else { Err(ended(name, status, log)) }
}

fn spawn(name: &'static str, mut command: Command, log: &Log) -> Result<Child, DevError> {
    command.stdin(Stdio::piped()).stdout(log.output()?).stderr(log.output()?);
    command.spawn().map_err(DevError::process("start", name))
}

/// Writes `input` and closes the pipe. It fails if the process ends without reading; its status and log tell why.
async fn feed(child: &mut Child, input: &str) {
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(input.as_bytes()).await;
    }
}

fn ended(name: &'static str, status: ExitStatus, log: &Log) -> DevError {
    DevError::Ended { name, status, log: log.path().to_owned(), tail: log.tail() }
}
