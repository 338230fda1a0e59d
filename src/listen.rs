//! Where a node listens: for its clients, and for those who look after it.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use anyhow::{Context, Result, bail};
use tokio::net::{TcpListener, TcpSocket};

use crate::config::HttpSettings;

/// Connections that wait to be accepted: as many as the kernel allows. Who finds no place tries again only a second
/// later, and thousands may come at once.
const BACKLOG: u32 = 65_535;

/// Where a node listens.
pub struct Listeners {
    /// For clients.
    pub clients: TcpListener,
    /// For those who look after it, if it has its own.
    pub admin: Option<TcpListener>,
}

impl Listeners {
    /// Takes the ports.
    ///
    /// # Errors
    /// When one cannot be had; it says which setting chooses another.
    pub fn open(http: &HttpSettings) -> Result<Self> {
        let admin = http.admin_port.map(|port| listen(http.admin_host, port, "admin-port")).transpose()?;
        Ok(Self { clients: listen(http.host, http.port, "port")?, admin })
    }

    /// A line for each, as the program says them when it serves.
    ///
    /// # Errors
    /// When the system does not tell where they are.
    pub fn lines(&self, scheme: &str) -> io::Result<String> {
        let mut lines = format!("listening on {scheme}://{}\n", self.clients.local_addr()?);
        if let Some(admin) = &self.admin {
            lines.push_str(&format!("admin on http://{}\n", admin.local_addr()?));
        }
        Ok(lines)
    }
}

fn listen(host: IpAddr, port: u16, flag: &str) -> Result<TcpListener> {
    match bind(SocketAddr::new(host, port)) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let variable = flag.to_uppercase().replace('-', "_");
            bail!("port {port} is in use: stop what listens there, or choose another with --{flag} or {variable}")
        }
        bound => bound.with_context(|| format!("cannot listen on {host}:{port}")),
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
