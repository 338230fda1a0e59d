//! The PROXY protocol: a proxy that carries bytes, not requests, says first whose bytes they are.
//!
//! Whoever can reach the port can say anything here, so it is on only where only the proxy can; then a connection
//! without it is closed. What follows belongs to TLS or HTTP: no byte beyond the header may be read. Version 1 has no
//! length in front, so what there is, is looked at, and read up to the end of the line.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use ppp::{HeaderResult, v1, v2};
use tokio::{io::AsyncReadExt, net::TcpStream};

/// The longest header: of version 1 by its definition, of version 2 with more about the client than anyone sends.
const LONGEST: (usize, usize) = (107, 4096);

/// Version 2 before its length counts.
const FIXED: usize = 16;

/// Reads the header; the address of the client, if it is not the proxy itself that speaks.
///
/// # Errors
/// When there is none, or the connection fails.
pub(super) async fn source(socket: &mut TcpStream) -> io::Result<Option<SocketAddr>> {
    // Neither version is ever shorter than the signature of the second.
    let mut header = vec![0; v2::PROTOCOL_PREFIX.len()];
    socket.read_exact(&mut header).await?;
    if header == v2::PROTOCOL_PREFIX {
        binary(socket, &mut header).await?;
    } else if header.starts_with(b"PROXY ") {
        line(socket, &mut header).await?;
    }
    let far = match HeaderResult::parse(&header) {
        HeaderResult::V1(Ok(header)) => of_line(header.addresses),
        HeaderResult::V2(Ok(header)) if header.command == v2::Command::Proxy => of_binary(header.addresses),
        HeaderResult::V2(Ok(_)) => None,
        HeaderResult::V1(Err(error)) => return Err(wrong(error)),
        HeaderResult::V2(Err(error)) => return Err(wrong(error)),
    };
    Ok(far)
}

/// The rest of version 2: a few numbers, and so many bytes as they say.
async fn binary(socket: &mut TcpStream, header: &mut Vec<u8>) -> io::Result<()> {
    header.resize(FIXED, 0);
    socket.read_exact(&mut header[v2::PROTOCOL_PREFIX.len()..]).await?;
    let length = usize::from(u16::from_be_bytes([header[FIXED - 2], header[FIXED - 1]]));
    if FIXED + length > LONGEST.1 {
        return Err(wrong("it is too long"));
    }
    header.resize(FIXED + length, 0);
    socket.read_exact(&mut header[FIXED..]).await.map(drop)
}

/// The rest of version 1: a line.
async fn line(socket: &mut TcpStream, header: &mut Vec<u8>) -> io::Result<()> {
    let mut there = [0; LONGEST.0];
    while !header.ends_with(b"\n") {
        let room = LONGEST.0 - header.len();
        let count = socket.peek(&mut there[..room]).await?;
        if count == 0 {
            return Err(wrong("it does not end"));
        }
        // All of it is the header's if the line does not end there, so reading it waits for more than there is.
        let end = there[..count].iter().position(|&byte| byte == b'\n').map_or(count, |at| at + 1);
        socket.read_exact(&mut there[..end]).await?;
        header.extend_from_slice(&there[..end]);
    }
    Ok(())
}

fn of_line(addresses: v1::Addresses) -> Option<SocketAddr> {
    match addresses {
        v1::Addresses::Tcp4(of) => Some((IpAddr::from(of.source_address), of.source_port).into()),
        v1::Addresses::Tcp6(of) => Some((IpAddr::from(of.source_address), of.source_port).into()),
        v1::Addresses::Unknown => None,
    }
}

fn of_binary(addresses: v2::Addresses) -> Option<SocketAddr> {
    match addresses {
        v2::Addresses::IPv4(of) => Some((IpAddr::from(of.source_address), of.source_port).into()),
        v2::Addresses::IPv6(of) => Some((IpAddr::from(of.source_address), of.source_port).into()),
        v2::Addresses::Unix(_) | v2::Addresses::Unspecified => None,
    }
}

fn wrong(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
