//! `rowcast demo`: posts a file of messages to a running server, so that there is something to look at.
//!
//! The file is read twice and never held in memory: once to check every line, so that a mistake in the last one is
//! found before the first is posted, and once to post. A room belongs to one connection, which posts its messages one
//! after the other, so each room keeps the order of the file.

mod file;
mod poster;

use std::{
    collections::HashSet,
    fmt, future,
    hash::{DefaultHasher, Hash, Hasher},
    num::NonZeroUsize,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, ensure};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, interval, sleep_until},
};

use self::{
    file::{Line, Lines},
    poster::Poster,
};

/// How many messages wait at a connection. Large, so that a busy room does not hold up the reading for the others.
const QUEUE: usize = 1024;

/// How often the state is printed where there is no terminal for a progress bar.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// What to post, where to and how fast.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// The messages, one JSON object a line: room, content and, if you like, sender_id; a few built-in ones if left out
    file: Option<PathBuf>,
    /// The server
    #[arg(long, env = "ROWCAST_URL", default_value = "http://127.0.0.1:8000")]
    url: String,
    /// How many connections post at once; the messages of a room always go one after the other
    #[arg(long, default_value = "8")]
    connections: NonZeroUsize,
    /// How many messages to post per second; as many as possible if left out
    #[arg(long, value_parser = positive)]
    rate: Option<f64>,
    /// How many messages to post; all if left out
    #[arg(long)]
    limit: Option<usize>,
}

/// Posts the messages, shows how far it is, and prints one line at the end.
///
/// # Errors
///
/// If a line is not a message, the server is not there, refuses a message, or cannot take one for five minutes.
pub async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let (messages, rooms) = survey(&args).await?;
    let poster = Poster::connect(&args.url, progress_bar(messages)).await?;
    let bar = poster.bar.clone();
    let start = Instant::now();
    tokio::select! {
        outcome = post_all(args, poster) => outcome.with_context(|| format!("stopped after {} messages", bar.position()))?,
        never = report(&bar) => never,
    }
    bar.finish_and_clear();
    ensure!(
        bar.position() == messages as u64,
        "the messages changed while they were read; a pipe cannot be read twice"
    );
    let seconds = start.elapsed().as_secs_f64();
    let rate = messages as f64 / seconds;
    println!("posted {messages} messages in {rooms} rooms in {seconds:.1} s ({rate:.0}/s)");
    Ok(())
}

impl DemoArgs {
    async fn lines(&self) -> anyhow::Result<Lines> {
        Lines::open(self.file.as_deref(), self.limit).await
    }
}

/// Reads every line once, and counts messages and rooms.
async fn survey(args: &DemoArgs) -> anyhow::Result<(usize, usize)> {
    let mut lines = args.lines().await?;
    let (mut messages, mut rooms) = (0, HashSet::new());
    while let Some(line) = lines.next().await? {
        messages += 1;
        rooms.insert(line.message.room);
    }
    Ok((messages, rooms.len()))
}

/// Runs the connections and the reader that feeds them; the first error ends them all.
async fn post_all(args: DemoArgs, poster: Poster) -> anyhow::Result<()> {
    let (poster, mut tasks) = (Arc::new(poster), JoinSet::new());
    let mut queues = Vec::new();
    for _ in 0..args.connections.get() {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tasks.spawn(Arc::clone(&poster).work(receiver));
        queues.push(sender);
    }
    tasks.spawn(feed(args, queues));
    while let Some(outcome) = tasks.join_next().await {
        outcome??;
    }
    Ok(())
}

/// Reads the file and gives each message to the connection of its room, at the rate that was asked for.
async fn feed(args: DemoArgs, queues: Vec<mpsc::Sender<Line>>) -> anyhow::Result<()> {
    let mut lines = args.lines().await?;
    let (start, mut count) = (Instant::now(), 0.0);
    while let Some(line) = lines.next().await? {
        if let Some(rate) = args.rate {
            sleep_until(start + Duration::from_secs_f64(count / rate)).await;
        }
        count += 1.0;
        let queue = &queues[connection_of(&line.message.room, queues.len())];
        if queue.send(line).await.is_err() {
            // The connection has failed, and its error is the one to show.
            break;
        }
    }
    Ok(())
}

fn connection_of(room: &str, connections: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    room.hash(&mut hasher);
    // The remainder is smaller than a usize by construction.
    (hasher.finish() % connections as u64) as usize
}

fn progress_bar(messages: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} messages, {rate}, {eta} left {msg}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(messages as u64).with_style(style.with_key("rate", write_rate))
}

fn write_rate(state: &ProgressState, out: &mut dyn fmt::Write) {
    // Nobody can be told that a progress bar failed.
    let _ = write!(out, "{:.0}/s", state.per_sec());
}

/// Prints now and then how far it is, if the bar cannot be seen. It never ends.
async fn report(bar: &ProgressBar) -> ! {
    if !bar.is_hidden() {
        future::pending::<()>().await;
    }
    let mut ticks = interval(REPORT_EVERY);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let (posted, messages, rate) = (bar.position(), bar.length().unwrap_or(0), bar.per_sec());
        eprintln!("posted {posted} of {messages} messages, {rate:.0}/s {}", bar.message());
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && f64::is_finite(rate) => Ok(rate),
        _ => Err("must be a number above 0".to_owned()),
    }
}
