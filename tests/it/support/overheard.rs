//! A node whose log is kept, to see what it says, and what it never says.

use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
};

use super::{Node, World, soon};

/// A running `rowcast serve`.
pub struct Overheard {
    pub url: String,
    process: Child,
}

impl Overheard {
    /// Starts it, and waits until it listens.
    pub async fn start(world: &World, settings: &[(&str, &str)]) -> Self {
        let mut command = Node::command("serve");
        command.env("DATABASE_URL", &world.database_url).env("REDIS_URL", &world.redis_url);
        command.env("REDIS_PREFIX", &world.prefix).env("HOST", "127.0.0.1").env("PORT", "0");
        command.envs(settings.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = soon("it listens", lines.next_line()).await.unwrap().expect("it starts");
        Self { url: line.strip_prefix("listening on ").unwrap().to_owned(), process }
    }

    /// Ends it; all that it has logged.
    pub async fn said(mut self) -> String {
        self.process.start_kill().unwrap();
        let output = soon("the end", self.process.wait_with_output()).await.unwrap();
        String::from_utf8(output.stderr).unwrap()
    }
}
