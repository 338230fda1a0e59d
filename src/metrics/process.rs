//! What the system says of the process. What a system does not tell is left out.

use std::fs;

use nix::sys::{
    resource::{Resource, UsageWho, getrlimit, getrusage},
    time::TimeVal,
};

/// What the process takes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Process {
    /// Seconds of processors, its own and the system's for it.
    pub cpu_seconds: Option<f64>,
    /// Memory that is in use now, in bytes.
    pub resident_bytes: Option<u64>,
    /// Open descriptors: sockets, for the most part.
    pub open_descriptors: Option<u64>,
    /// The most of them.
    pub max_descriptors: Option<u64>,
}

impl Process {
    /// Asks the system. With many descriptors that takes milliseconds, so it is nothing for a thread that serves.
    pub fn read() -> Self {
        let usage = getrusage(UsageWho::RUSAGE_SELF).ok();
        Self {
            cpu_seconds: usage.map(|usage| seconds(usage.user_time()) + seconds(usage.system_time())),
            resident_bytes: resident_bytes(),
            // One of them is the one that lists them.
            open_descriptors: fs::read_dir("/proc/self/fd").ok().map(|all| (all.count() as u64).saturating_sub(1)),
            max_descriptors: getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(soft, _)| soft),
        }
    }
}

fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

/// Memory that the process has in use now, in bytes.
pub fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_linux_tells_all_of_it() {
        let before = Process::read();
        let open: Vec<_> = (0..100).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        let (now, max) = (Process::read(), before.max_descriptors.unwrap());
        assert!(now.open_descriptors.unwrap() >= open.len() as u64 && now.open_descriptors.unwrap() <= max);
        assert!(before.resident_bytes.unwrap() > 100 << 10);
        assert!(before.cpu_seconds.unwrap() > 0.0 && now.cpu_seconds >= before.cpu_seconds);
    }
}
