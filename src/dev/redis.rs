//! The private Redis: its settings on its standard input, its data in a snapshot file.
//!
//! The settings go through a pipe because the password is among them, and a command line can be read by everyone. The
//! few words that are said to Redis here (are you there? leave!) need no client library: its protocol also takes plain
//! lines.

use std::{net::Ipv4Addr, time::Duration};

use tokio::{
    io::{self, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{DevError, directory::Directory, home::Home, log::Log, port, programs, server::Server};

const NAME: &str = "Redis";

/// How often Redis is asked whether it is there.
const PACE: Duration = Duration::from_millis(20);

/// How long one question may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// How long a Redis that was left running may take to save and exit.
const LEAVE_WITHIN: Duration = Duration::from_secs(20);

/// Starts Redis.
pub(super) async fn start(directory: &Directory, settings: &[(String, String)]) -> Result<(Server, u16), DevError> {
    let home = Home::of(directory, "redis")?;
    let program = programs::redis()?;
    let password = &directory.password;
    let ports = directory.file("redis.port");
    if let Some(port) = port::last(&ports) {
        stop_leftover(port, password).await;
    }
    let log = Log::create(directory.file("redis.log"))?;
    let serve = async |port| {
        let mut command = home.command(&program);
        command.arg("-");
        let server = Server::spawn(NAME, command, &config(port, password, settings), &log).await?;
        server.until(ready(port, password)).await
    };
    port::on_free_port(&ports, serve).await
}

/// A snapshot a minute after a change, and at the end. The snapshot goes to the working directory, which is the home.
fn config(port: u16, password: &str, settings: &[(String, String)]) -> String {
    let own = format!("bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave 60 1\n");
    let more = settings.iter().map(|(name, value)| format!("{name} {value}\n"));
    own + &more.collect::<String>()
}

/// Resolves when Redis answers. While it still loads its data it says so instead.
async fn ready(port: u16, password: &str) {
    let ask = || timeout(ANSWER_WITHIN, say("PING", port, password));
    while !matches!(ask().await, Ok(Ok(answer)) if answer.contains("+PONG")) {
        sleep(PACE).await;
    }
}

/// Stops a Redis that still runs on these data, which only happens if our guardian was killed too, or has not finished
/// yet. No other Redis takes our password, so none is stopped by mistake.
async fn stop_leftover(port: u16, password: &str) {
    // It ends the connection when it has ended. If it does not, the new one takes another port.
    let _ = timeout(LEAVE_WITHIN, say("SHUTDOWN", port, password)).await;
}

/// Says one command, and returns all that is answered until the connection ends.
async fn say(command: &str, port: u16, password: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let lines = format!("AUTH {password}\r\n{command}\r\nQUIT\r\n");
    stream.write_all(lines.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
