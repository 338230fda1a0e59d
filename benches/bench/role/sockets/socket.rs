//! One client of Socket.IO (protocol 5), over a websocket from the beginning. It comes in, joins its room or speaks to
//! it, and looks at every message: the next one of its room is the one that it must be told next.

use std::{
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
};

use memchr::memmem;
use mio::{Interest, Poll, Token, net::TcpStream};

use super::{
    Tally,
    websocket::{self, Frame},
};
use crate::{
    role::{
        connect,
        crowd::{DIGITS, STAMP},
        now,
    },
    server::CONTENT,
};

const PATH: &str = "/socket.io/?EIO=4&transport=websocket";

/// Packets, as a server of Engine.IO hands them over: the answer to a request has its number.
const OPEN: &[u8] = b"0{";
const PING: &[u8] = b"2";
const CONNECTED: &[u8] = b"40{";
const ANSWER: &[u8] = b"43";
const MESSAGE: &[u8] = b"42[\"receiveMessage\",";
const EVENT: &[u8] = b"42[";

const GOOD: &[u8] = b"[{\"ok\":true";

/// What precedes a message's room and number.
const NUMBER: &str = " n=";

/// A client that is there, or on its way.
pub struct Socket {
    stream: TcpStream,
    user: u128,
    /// The room that it is in, or speaks to.
    pub room: usize,
    pub speaks: bool,
    upgraded: bool,
    /// What it could not send yet.
    unsent: Vec<u8>,
    /// The beginning of something whose end has not come.
    cut: Vec<u8>,
    /// How many messages it was told.
    pub had: u64,
    /// It looks at the time.
    sampled: bool,
}

impl Socket {
    /// A client on its way; what `poll` says of it has the token `key`.
    pub fn connect(to: SocketAddr, poll: &Poll, key: usize, (room, speaks, sampled): (usize, bool, bool)) -> Self {
        let mut stream = connect(to, key);
        poll.registry().register(&mut stream, Token(key), Interest::READABLE | Interest::WRITABLE).unwrap();
        let unsent = websocket::request(PATH).into();
        let (user, cut) = (key as u128 + 1, Vec::new());
        Self { stream, user, room, speaks, upgraded: false, unsent, cut, had: 0, sampled }
    }

    fn user(&self) -> uuid::Uuid {
        uuid::Uuid::from_u128(self.user)
    }

    /// Says something in its room: the message of this number.
    pub fn speak(&mut self, number: u64) {
        let (room, user) = (self.room, self.user());
        let text = format!("{STAMP}{}{NUMBER}{room}.{number} ", now());
        let text = format!("{text}{}", "x".repeat(CONTENT - text.len()));
        let message = format!(r#"{{"roomId":"room{room}","userId":"{user}","content":"{text}"}}"#);
        self.send(&format!(r#"42{number}["sendMessage",{message}]"#));
    }

    fn send(&mut self, packet: &str) {
        self.unsent.extend(websocket::text(packet));
        self.flush();
    }

    fn flush(&mut self) {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if [ErrorKind::WouldBlock, ErrorKind::NotConnected].contains(&error.kind()) => return,
                // Reading says that it is gone.
                Err(_) => return self.unsent.clear(),
            }
        }
    }

    /// Does what there is to do; says whether it is still there.
    pub fn serve(&mut self, buffer: &mut [u8], tally: &mut Tally) -> bool {
        self.flush();
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return false,
                Ok(read) => {
                    if !self.take(&buffer[..read], tally) {
                        return false;
                    }
                    // A short read has emptied the socket.
                    if read < buffer.len() {
                        return true;
                    }
                }
                Err(error) if [ErrorKind::WouldBlock, ErrorKind::NotConnected].contains(&error.kind()) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Takes what has come; says whether it is still there.
    fn take(&mut self, bytes: &[u8], tally: &mut Tally) -> bool {
        let mut cut = std::mem::take(&mut self.cut);
        let mut rest = if cut.is_empty() {
            bytes
        } else {
            cut.extend_from_slice(bytes);
            &cut
        };
        if !self.upgraded {
            let Some(head) = memmem::find(rest, b"\r\n\r\n") else {
                self.cut = rest.to_vec();
                return true;
            };
            assert!(rest.starts_with(b"HTTP/1.1 101"), "no upgrade: {}", String::from_utf8_lossy(rest));
            (self.upgraded, rest) = (true, &rest[head + 4..]);
        }
        while let Some((frame, after)) = websocket::first(rest) {
            match frame {
                Frame::Text(packet) => self.hear(packet, tally),
                Frame::Close => return false,
            }
            rest = after;
        }
        self.cut = rest.to_vec();
        true
    }

    fn hear(&mut self, packet: &[u8], tally: &mut Tally) {
        if let Some(body) = packet.strip_prefix(MESSAGE) {
            self.message(body, tally);
        } else if let Some(answer) = packet.strip_prefix(ANSWER) {
            let digits = answer.iter().take_while(|byte| byte.is_ascii_digit()).count();
            assert!(answer[digits..].starts_with(GOOD), "refused: {}", String::from_utf8_lossy(packet));
            if self.speaks { tally.answered(self.room) } else { tally.there += 1 }
        } else if packet == PING {
            self.send("3");
        } else if packet.starts_with(OPEN) {
            self.send(&format!(r#"40{{"userId":"{}"}}"#, self.user()));
        } else if packet.starts_with(CONNECTED) {
            match self.speaks {
                true => tally.there += 1,
                false => self.send(&format!(r#"420["joinRoom",{{"roomId":"room{}"}}]"#, self.room)),
            }
        } else {
            // Some servers tell who else comes and goes.
            assert!(packet.starts_with(EVENT), "a packet of another kind: {}", String::from_utf8_lossy(packet));
        }
    }

    fn message(&mut self, body: &[u8], tally: &mut Tally) {
        let at = memmem::find(body, STAMP.as_bytes()).expect("a message says when it was said") + STAMP.len();
        let (instant, rest) = body[at..].split_at(DIGITS);
        let mut numbers = rest[NUMBER.len()..].split(|byte| !byte.is_ascii_digit()).map(number);
        let (room, number) = (numbers.next().unwrap(), numbers.next().unwrap());
        let expected = (self.room as u64, self.had + 1);
        assert_eq!((room, number), expected, "a socket was told another message than the next of its room");
        self.had = number;
        tally.delivered(self.room);
        if self.sampled {
            tally.counted.micros.push(((now() - self::number(instant)) / 1000) as u32);
        }
    }
}

fn number(digits: &[u8]) -> u64 {
    std::str::from_utf8(digits).unwrap().parse().unwrap()
}
