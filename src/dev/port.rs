//! The port of a private server: the one of the last start if it is free, or else any free one.
//!
//! A free port can be found but not reserved: somebody may take it before the server does. Then the server ends at
//! once, and is started again with another port. Why it ended is not read from its log, whose words differ between
//! versions: if it was not the port, the next attempt ends in the same way, and its error is the one to show.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::Path,
};

use super::{DevError, server::Server};

/// How many ports are tried.
const ATTEMPTS: usize = 3;

/// As a port to listen on: whichever is free.
const ANY: u16 = 0;

/// Starts a server by `start` on a port, which `file` remembers for the next time.
pub(super) async fn on_free_port<F>(file: &Path, start: impl Fn(u16) -> F) -> Result<(Server, u16), DevError>
where
    F: Future<Output = Result<Server, DevError>>,
{
    let mut port = free(last(file).unwrap_or(ANY))?;
    let mut attempt = 1;
    let server = loop {
        match start(port).await {
            Err(DevError::Ended { .. }) if attempt < ATTEMPTS => port = free(ANY)?,
            outcome => break outcome?,
        }
        attempt += 1;
    };
    fs::write(file, port.to_string()).map_err(DevError::file("write", file))?;
    Ok((server, port))
}

/// The port of the last start.
pub(super) fn last(file: &Path) -> Option<u16> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// `wanted` if it is free, or else a free port that the system chooses.
fn free(wanted: u16) -> Result<u16, DevError> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let listener = bind(wanted).or_else(|_| bind(ANY));
    let address = listener.and_then(|listener| listener.local_addr());
    address.map(|address| address.port()).map_err(DevError::file("listen on", "127.0.0.1"))
}
