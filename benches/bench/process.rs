//! Processes: where they run, and what they take.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use serde::{Serialize, de::DeserializeOwned};

/// On which processors what follows is started: measured servers have the first one, all else has the others. Where
/// PostgreSQL is part of what is measured, nothing is kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Server,
    Elsewhere,
    Anywhere,
}

/// Starts something with the processors of its place. On a machine with one processor they share it.
pub fn at<T>(place: Place, start: impl FnOnce() -> T) -> T {
    let (count, here) = (std::thread::available_parallelism().map_or(1, usize::from), Pid::from_raw(0));
    let all: Vec<usize> = (0..count.max(processors())).collect();
    let (first, rest) = all.split_at(1);
    let rest = if rest.is_empty() { first } else { rest };
    let chosen = match place {
        Place::Server => first,
        Place::Elsewhere => rest,
        Place::Anywhere => &all,
    };
    pin(here, chosen);
    let started = start();
    pin(here, rest);
    started
}

fn pin(process: Pid, processors: &[usize]) {
    let mut set = CpuSet::new();
    processors.iter().for_each(|&number| set.set(number).unwrap());
    sched_setaffinity(process, &set).unwrap();
}

/// How many processors the machine has.
pub fn processors() -> usize {
    nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_ONLN).unwrap().unwrap_or(1) as usize
}

/// What processes have used of the processors, and hold in memory (KiB).
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    pub cpu: Duration,
    pub memory: usize,
}

/// What these processes have used until now, together. Those that have ended count nothing.
pub fn usage(processes: &[u32]) -> Usage {
    let mut sum = Usage::default();
    for process in processes {
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{process}/stat")) else { continue };
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        sum.cpu += exact(*process).unwrap_or(Duration::from_millis(ticks * 10));
        sum.memory += fields[21].parse::<usize>().unwrap() * 4;
    }
    sum
}

/// The same from the scheduler, which counts nanoseconds where `stat` counts hundredths of a second.
fn exact(process: u32) -> Option<Duration> {
    let mut sum = 0;
    for thread in std::fs::read_dir(format!("/proc/{process}/task")).ok()? {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        sum += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(sum))
}

/// A role that is played in a process of its own; it ends with this.
pub struct Role {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Role {
    pub fn play(name: &str, plan: &impl Serialize, place: Place) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(name).arg(serde_json::to_string(plan).unwrap()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = at(place, || command.spawn().unwrap());
        let (orders, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, orders, answers }
    }

    pub fn order(&mut self, order: &impl Serialize) {
        writeln!(self.orders, "{}", serde_json::to_string(order).unwrap()).unwrap();
    }

    /// The next thing that it says.
    pub fn says<T: DeserializeOwned>(&mut self) -> T {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("a role says {line:?}: {error}"))
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
