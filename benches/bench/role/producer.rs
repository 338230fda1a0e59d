//! The producer: a process that writes sessions, each over a connection of its own, with one thread and one epoll. Each
//! chunk says when its request began.

use std::{
    collections::VecDeque,
    fmt::Write,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use mio::{Events, Poll, Token, Waker};
use serde::{Deserialize, Serialize};

use super::{client::Client, crowd::STAMP, now, orders, say, text::Text};

const MAIL: Token = Token(usize::MAX);

/// When what was refused is brought again: as the server says.
const RETRY: Duration = Duration::from_secs(1);

/// What is written where.
#[derive(Serialize, Deserialize)]
pub struct Plan {
    pub address: SocketAddr,
    pub sessions: Vec<Session>,
}

/// A session, as its producer knows it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Session {
    pub id: String,
    pub token: String,
}

/// What the parent may ask.
#[derive(Serialize, Deserialize)]
pub enum Order {
    /// Write so many chunks with each request from now on; each session so many requests a second, in turn and as soon
    /// as the last is answered, or without a pause.
    Write { chunks: usize, per_second: Option<f64> },
    /// What was answered since the last time.
    Count,
    /// Write nothing more. The answer comes when all has been answered: what each session has now.
    Rest,
}

/// What was answered.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Answered {
    pub seconds: f64,
    pub chunks: u64,
    /// How long each request took, in microseconds, sorted.
    pub micros: Vec<u32>,
    /// Requests that were refused since Redis did not answer in time; they were brought again.
    pub refused: u64,
}

struct Writer {
    client: Client,
    session: Session,
    text: Text,
    /// Chunks on their way.
    asked: usize,
    /// Requests that are due and could not begin.
    late: usize,
}

struct Producer {
    poll: Poll,
    writers: Vec<Writer>,
    chunks: usize,
    /// The pause between two requests of any of them; none is none.
    pause: Option<Duration>,
    resting: bool,
    told: bool,
    /// When the next request is due, and whose it is.
    due: Instant,
    turn: usize,
    /// Whose request is to be brought again, and when.
    refused: VecDeque<(Instant, usize)>,
    answered: Answered,
    since: Instant,
    request: String,
    body: String,
}

/// Plays the role.
pub fn play(plan: Plan) {
    let poll = Poll::new().unwrap();
    let orders = orders::<Order>(Arc::new(Waker::new(poll.registry(), MAIL).unwrap()));
    let begin = |(key, session)| {
        let client = Client::connect(plan.address, &poll, key);
        Writer { client, session, text: Text::default(), asked: 0, late: 0 }
    };
    let writers = plan.sessions.into_iter().enumerate().map(begin).collect();
    let now = Instant::now();
    let mut producer = Producer {
        poll,
        writers,
        chunks: 1,
        pause: None,
        resting: true,
        told: true,
        due: now,
        turn: 0,
        refused: VecDeque::new(),
        answered: Answered::default(),
        since: now,
        request: String::new(),
        body: String::new(),
    };
    let (mut events, mut buffer) = (Events::with_capacity(1024), vec![0; 64 << 10]);
    loop {
        let patience = producer.patience();
        producer.poll.poll(&mut events, patience).unwrap();
        for event in &events {
            match event.token() {
                MAIL => orders.try_iter().for_each(|order| producer.obey(order)),
                Token(key) => producer.serve(key, &mut buffer),
            }
        }
        producer.bring_again();
        producer.write_what_is_due();
        producer.tell_that_it_rests();
    }
}

impl Producer {
    /// How long there is nothing to do but wait.
    fn patience(&self) -> Option<Duration> {
        let due = (!self.resting && self.pause.is_some()).then_some(self.due);
        let again = self.refused.front().map(|(again, _)| *again);
        due.into_iter().chain(again).min().map(|due| due.saturating_duration_since(Instant::now()))
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Write { chunks, per_second } => {
                (self.chunks, self.resting, self.due) = (chunks, false, Instant::now());
                self.pause = per_second.map(|rate| Duration::from_secs_f64(1.0 / rate / self.writers.len() as f64));
                if self.pause.is_none() {
                    (0..self.writers.len()).for_each(|key| self.write(key));
                }
            }
            Order::Count => {
                let mut answered = std::mem::take(&mut self.answered);
                answered.seconds = std::mem::replace(&mut self.since, Instant::now()).elapsed().as_secs_f64();
                answered.micros.sort_unstable();
                say(&answered);
            }
            Order::Rest => (self.resting, self.told) = (true, false),
        }
    }

    fn serve(&mut self, key: usize, buffer: &mut [u8]) {
        let writer = &mut self.writers[key];
        match writer.client.answered(buffer) {
            None => return,
            Some(200) => {}
            Some(503) => {
                self.answered.refused += 1;
                return self.refused.push_back((Instant::now() + RETRY, key));
            }
            Some(_) => panic!("{}", writer.client.answer()),
        }
        self.answered.chunks += std::mem::take(&mut writer.asked) as u64;
        self.answered.micros.push(writer.client.since.elapsed().as_micros() as u32);
        if self.resting {
            writer.late = 0;
        } else if self.pause.is_none() {
            self.write(key);
        } else if writer.late > 0 {
            writer.late -= 1;
            self.write(key);
        }
    }

    fn bring_again(&mut self) {
        let now = Instant::now();
        while let Some((_, key)) = self.refused.pop_front_if(|(again, _)| *again <= now) {
            self.writers[key].client.again();
        }
    }

    fn write_what_is_due(&mut self) {
        let Some(pause) = self.pause.filter(|_| !self.resting) else { return };
        let now = Instant::now();
        while self.due <= now {
            let (key, count) = (self.turn, self.writers.len());
            match self.writers[key].asked {
                0 => self.write(key),
                _ => self.writers[key].late += 1,
            }
            (self.turn, self.due) = ((key + 1) % count, self.due + pause);
        }
    }

    fn write(&mut self, key: usize) {
        let Self { writers, chunks, request, body, .. } = self;
        let writer = &mut writers[key];
        body.clear();
        body.push_str(r#"{"chunks":["#);
        for number in 0..*chunks {
            let (comma, id) = (if number == 0 { "" } else { "," }, writer.text.chunks);
            let text = format!("{STAMP}{}", now());
            write!(body, r#"{comma}{{"chunk_id":{id},"chunk":"{text}"}}"#).unwrap();
            writer.text.push(text.as_bytes());
        }
        body.push_str("]}");
        request.clear();
        let (Session { id, token }, length) = (&writer.session, body.len());
        write!(request, "POST /session/{id}/chunk HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n")
            .unwrap();
        write!(request, "X-Producer-Token: {token}\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
        writer.client.ask(request.as_bytes());
        writer.asked = *chunks;
    }

    fn tell_that_it_rests(&mut self) {
        if self.resting && !self.told && self.writers.iter().all(|writer| writer.asked == 0) {
            self.told = true;
            say(&self.writers.iter().map(|writer| writer.text).collect::<Vec<_>>());
        }
    }
}
