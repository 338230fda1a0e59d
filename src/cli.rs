//! The command line: what the program can be asked to do.

use std::{
    ffi::OsString,
    io::Write,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

use crate::{
    app::{self, Listeners},
    config::{Links, Settings},
    demo::{self, DemoArgs},
    dev::Services,
    mistakes, telemetry,
    token::TokenArgs,
};

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
    Serve(ServeArgs),
    /// Serve with a private PostgreSQL and a private Redis, started for it and stopped with it
    Dev(DevArgs),
    /// Bring the database's schema up to date and exit
    Migrate(MigrateArgs),
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
struct ServeArgs {
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
struct MigrateArgs {
    #[command(flatten)]
    links: Links,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Args)]
struct OpenapiArgs {
    /// Print YAML, not JSON
    #[arg(long)]
    yaml: bool,
}

#[derive(Args)]
struct HealthcheckArgs {
    /// The server
    #[arg(long, env = "ROWCAST_URL", default_value = "http://127.0.0.1:8000")]
    url: String,

    /// Take any certificate of the server: for one on this machine, which is asked by another name than the certificate's
    #[arg(long, env = "ROWCAST_INSECURE", action = ArgAction::Set, num_args = 0..=1, default_value_t = false, default_missing_value = "true")]
    insecure: bool,
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

/// The exit status for mistakes in the command line or the environment, as clap has it.
const USAGE: u8 = 2;

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
            Self::Serve(ServeArgs { settings, .. })
            | Self::Dev(DevArgs { settings, .. })
            | Self::Migrate(MigrateArgs { settings, .. }) => Some(settings),
            Self::Openapi(_) | Self::Healthcheck(_) | Self::Demo(_) | Self::Token(_) => None,
        }
    }

    async fn run(self) -> Result<()> {
        match self {
            Self::Serve(ServeArgs { links, settings }) => serve(&links, &settings, interrupted()?).await,
            Self::Dev(args) => dev(&args).await,
            Self::Migrate(MigrateArgs { links, settings }) => app::migrate(&links, &settings).await,
            Self::Token(args) => args.run(),
            Self::Openapi(OpenapiArgs { yaml }) => openapi(yaml),
            Self::Healthcheck(args) => healthcheck(&args).await,
            Self::Demo(args) => demo::run(args).await,
        }
    }
}

async fn serve(links: &Links, settings: &Settings, stop: CancellationToken) -> Result<()> {
    let listeners = listen(settings)?;
    let greet = greeting(&listeners, settings)?;
    app::run(listeners, links, settings, || print!("{greet}"), stop).await
}

/// What the program says when it serves: a line for each listener.
fn greeting(Listeners { clients, admin }: &Listeners, settings: &Settings) -> Result<String> {
    let mut lines = format!("listening on {}://{}\n", settings.edge.scheme(), clients.local_addr()?);
    if let Some(admin) = admin {
        lines.push_str(&format!("admin on http://{}\n", admin.local_addr()?));
    }
    Ok(lines)
}

fn listen(settings: &Settings) -> Result<Listeners> {
    let http = &settings.http;
    let admin = http.admin_port.map(|port| listen_on(http.admin_host, port, "admin-port")).transpose()?;
    Ok(Listeners { clients: listen_on(http.host, http.port, "port")?, admin })
}

fn listen_on(host: IpAddr, port: u16, flag: &str) -> Result<TcpListener> {
    match bind(SocketAddr::new(host, port)) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let variable = flag.to_uppercase().replace('-', "_");
            bail!("port {port} is in use: stop what listens there, or choose another with --{flag} or {variable}")
        }
        bound => bound.with_context(|| format!("cannot listen on {host}:{port}")),
    }
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Connections that wait to be accepted: as many as the kernel allows. Who finds no place tries again only a second later,
/// and thousands may come at once.
const BACKLOG: u32 = 65_535;

/// Serves on services of its own. The port is taken first: a second start must not disturb the first.
async fn dev(args: &DevArgs) -> Result<()> {
    let stop = interrupted()?;
    let listeners = listen(&args.settings)?;
    let mut services = Services::start(&args.dir).await?;
    let links = Links::to(services.database_url(), services.redis_url())?;
    let (address, greeting) = (listeners.clients.local_addr()?, greeting(&listeners, &args.settings)?);
    let (database, redis) = (services.database_url().to_owned(), services.redis_url().to_owned());
    let greet = || {
        let here = format!("{}://localhost:{}", args.settings.edge.scheme(), address.port());
        print!("{greeting}");
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

async fn healthcheck(HealthcheckArgs { url, insecure }: &HealthcheckArgs) -> Result<()> {
    let client =
        reqwest::Client::builder().timeout(HEALTH_PATIENCE).tls_danger_accept_invalid_certs(*insecure).build()?;
    let answer = client.get(format!("{}/health/ready", url.trim_end_matches('/'))).send().await;
    let answer = answer.with_context(|| format!("{url} does not answer"))?;
    let (status, text) = (answer.status(), answer.text().await?);
    println!("{text}");
    if !status.is_success() {
        bail!("{url} is not ready");
    }
    Ok(())
}

/// How long a server may take to say whether it is ready.
const HEALTH_PATIENCE: Duration = Duration::from_secs(5);

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
