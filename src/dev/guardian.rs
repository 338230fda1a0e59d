//! The guardian of a private server: it outlives us and stops the server when we are gone.
//!
//! A process that is killed cannot stop its children, and Linux' own remedy (the parent-death signal) needs unsafe code
//! here and does not work elsewhere. But a pipe's end is closed however its holder dies. So a small shell waits for the
//! end of a pipe that only we hold; when that comes, it stops the server. It is in a process group of its own, for a
//! terminal's Ctrl-C must not end it before us.

use std::{io, process::Stdio};

use tokio::process::{Child, Command};

/// An interrupt is the order that both servers understand: PostgreSQL shuts down fast, Redis saves and exits. Redis
/// stays if it cannot save, perhaps because its directory is gone; hence the second order, after twenty seconds.
const SCRIPT: &str = r#"
read -r _
kill -INT "$0"
seconds=0
while kill -0 "$0" 2>/dev/null; do
    [ "$seconds" -lt 20 ] || exec kill -QUIT "$0"
    seconds=$((seconds + 1))
    sleep 1
done
"#;

/// A running guardian. Dropped, it stops its server: dismiss it once the server is to be stopped otherwise or has
/// ended, lest it stop a stranger with the same process id.
pub(super) struct Guardian {
    /// The shell; our end of the pipe is in here.
    shell: Child,
}

impl Guardian {
    /// Sets a guardian over the process `pid`.
    pub(super) fn of(pid: u32) -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, &pid.to_string()]).current_dir("/").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self { shell: command.spawn()? })
    }

    /// Ends the guardian without harm to the server.
    pub(super) fn dismiss(&mut self) {
        // It fails only if the shell has ended already. Tokio waits for the shell once we are dropped.
        let _ = self.shell.start_kill();
    }
}
