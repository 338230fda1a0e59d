//! The command line: what the program can be asked to do.

use std::{ffi::OsString, io::Write, path::PathBuf};

use anyhow::{Context, Result};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::{
    app,
    config::{Links, Settings},
    demo::{self, DemoArgs},
    dev::Services,
    healthcheck::HealthcheckArgs,
    listen::Listeners,
    mistakes, telemetry,
    token::TokenArgs,
};

/// The exit status for mistakes in the command line or the environment, as clap has it.
const USAGE: u8 = 2;

/// A Postgres change-feed message broadcaster: messages are rows of a table, and every change of them reaches every
/// subscriber of GET /stream, once, in order.
#[derive(Parser)]
#[command(name = "rowcast", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve HTTP, and take part in relaying; prints `listening on URL` to standard output when it does
    Serve(NodeArgs),
    /// Serve with a private PostgreSQL and a private Redis, started for it and stopped with it
    Dev(DevArgs),
    /// Bring the database's schema up to date and exit
    Migrate(NodeArgs),
    /// Print a token for a server that asks for one
    Token(TokenArgs),
    /// Print the OpenAPI document
    Openapi(OpenapiArgs),
    /// Ask a running server whether it is ready: exit status 0 if so, 1 if not
    Healthcheck(HealthcheckArgs),
    /// Post the messages of a file to a running server
    Demo(DemoArgs),
}

#[derive(Args)]
struct NodeArgs {
    #[command(flatten)]
    links: Links,
    #[command(flatten)]
    settings: Settings,
}

/// Without a password to its name, it is for this machine alone, unless someone says otherwise.
#[derive(Args)]
#[command(mut_arg("host", |host| host.default_value("127.0.0.1")))]
struct DevArgs {
    /// Where PostgreSQL and Redis keep their data
    #[arg(long, env = "ROWCAST_DIR", default_value = ".rowcast")]
    dir: PathBuf,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Args)]
struct OpenapiArgs {
    /// Print YAML, not JSON
    #[arg(long)]
    yaml: bool,
}

/// Runs the program; the status it exits with.
pub fn main(arguments: Vec<OsString>) -> u8 {
    // Libraries bring two of them, and TLS will not choose. It fails only where one is chosen already.
    let _ = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider().install_default();
    let cli = match read(&arguments) {
        Ok(cli) => cli,
        Err(mistakes) => {
            for mistake in mistakes {
                eprintln!("rowcast: {mistake}");
            }
            return USAGE;
        }
    };
    match run(cli.command) {
        Ok(()) => 0,
        Err(error) => failed(&error),
    }
}

fn run(command: Command) -> Result<()> {
    // Around the runtime: it may block where that must not be.
    let _telemetry = command.settings().map(|settings| telemetry::start(settings.telemetry())).transpose()?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(command.run())
}

/// What the command line accepts, for whoever documents it.
pub fn command() -> clap::Command {
    Cli::command()
}

fn read(arguments: &[OsString]) -> Result<Cli, Vec<String>> {
    let matches = mistakes::read(command(), arguments)?;
    Cli::from_arg_matches(&matches).map_err(|error| vec![error.to_string()])
}

fn failed(error: &anyhow::Error) -> u8 {
    eprintln!("rowcast: {error:#}");
    1
}

impl Command {
    /// The settings of a command that logs.
    fn settings(&self) -> Option<&Settings> {
        match self {
            Self::Serve(NodeArgs { settings, .. })
            | Self::Migrate(NodeArgs { settings, .. })
            | Self::Dev(DevArgs { settings, .. }) => Some(settings),
            Self::Openapi(_) | Self::Healthcheck(_) | Self::Demo(_) | Self::Token(_) => None,
        }
    }

    async fn run(self) -> Result<()> {
        match self {
            Self::Serve(NodeArgs { links, settings }) => serve(&links, &settings, interrupted()?).await,
            Self::Dev(args) => dev(&args).await,
            Self::Migrate(NodeArgs { links, settings }) => app::migrate(&links, &settings).await,
            Self::Token(args) => args.run(),
            Self::Openapi(OpenapiArgs { yaml }) => openapi(yaml),
            Self::Healthcheck(args) => args.run().await,
            Self::Demo(args) => demo::run(args).await,
        }
    }
}

async fn serve(links: &Links, settings: &Settings, stop: CancellationToken) -> Result<()> {
    let listeners = Listeners::open(&settings.http)?;
    let lines = listeners.lines(settings.edge.scheme())?;
    app::run(listeners, links, settings, || print!("{lines}"), stop).await
}

/// Serves on services of its own. The port is taken first: a second start must not disturb the first.
async fn dev(args: &DevArgs) -> Result<()> {
    let stop = interrupted()?;
    let (listeners, scheme) = (Listeners::open(&args.settings.http)?, args.settings.edge.scheme());
    let mut services = Services::start(&args.dir).await?;
    let links = Links::to(services.database_url(), services.redis_url())?;
    let (lines, port) = (listeners.lines(scheme)?, listeners.clients.local_addr()?.port());
    let (database, redis) = (services.database_url().to_owned(), services.redis_url().to_owned());
    let greet = || {
        let here = format!("{scheme}://localhost:{port}");
        print!("{lines}");
        if args.settings.http.console {
            println!("  console   {here}/");
        }
        println!("  docs      {here}/docs");
        println!("  stream    curl -N {here}/stream");
        println!("  database  psql {database}");
        println!("  redis     redis-cli -u {redis}");
        println!("Ctrl-C stops all of it; the data stay in {}.", args.dir.display());
    };
    let ended = tokio::select! {
        served = app::run(listeners, &links, &args.settings, greet, stop) => served,
        error = services.failed() => Err(error.into()),
    };
    services.stop().await;
    ended
}

fn openapi(yaml: bool) -> Result<()> {
    // The document depends on no setting, and nothing connects.
    let links = Links::to("postgres://localhost", "redis://localhost")?;
    let (json, yaml_text) = app::document(&links, &Settings::defaults()?)?;
    writeln!(std::io::stdout(), "{}", if yaml { yaml_text } else { json }).context("standard output")
}

/// A token that the first Ctrl-C or SIGTERM cancels. The second one ends the process at once.
fn interrupted() -> Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        stop.cancel();
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        std::process::exit(130);
    });
    Ok(token)
}
