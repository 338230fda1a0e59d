//! Steady writers: some go through HTTP, some are other programs with sessions of their own. They go on under every
//! fault and keep what they were promised.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use fastrand::Rng;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{SENDER, crowd::Addresses, writers};

/// Writers of each kind.
const WRITERS: u64 = 2;

/// How long a caller waits for its answer: longer than a node may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the answers to the writers were.
#[derive(Debug, Default)]
pub struct Answers {
    /// Messages that were answered with 201.
    pub taken: Vec<i64>,
    /// Calls that were answered with 503 and the time to come back.
    pub refused: usize,
    /// Calls without an answer: the node had gone.
    pub unanswered: usize,
    /// Other answers.
    pub wrong: Vec<String>,
    /// Transactions of other programs that were committed.
    pub committed: usize,
    /// Their sessions that were lost.
    pub lost_sessions: usize,
}

/// Writers at work.
pub struct Load {
    stop: CancellationToken,
    tasks: JoinSet<()>,
    answers: Arc<Mutex<Answers>>,
}

impl Load {
    /// Lets them write, so many changes a second or a little more, until they are stopped.
    pub async fn start(addresses: &Addresses, database_url: &str, rate: u64, seed: u64) -> Self {
        let mut first = PgConnection::connect(database_url).await.unwrap();
        first.execute(AssertSqlSafe(writers::insert(1, writers::SHARED_ROWS).1)).await.unwrap();
        let (stop, answers) = (CancellationToken::new(), Arc::default());
        let mut tasks = JoinSet::new();
        // A transaction makes some four changes.
        let (pause, long_pause) =
            (Duration::from_millis(2000 * WRITERS / rate), Duration::from_millis(8000 * WRITERS / rate));
        for number in 0..WRITERS {
            let rng = Rng::with_seed(seed.wrapping_add(number));
            let (addresses, answers, stop) = (Arc::clone(addresses), Arc::clone(&answers), stop.clone());
            let poster = Poster { addresses, answers, rng, client: Client::new(), number, mine: Vec::new() };
            tasks.spawn(poster.run(pause, stop));
        }
        for number in 0..WRITERS {
            let rng = Rng::with_seed(seed.wrapping_add(100 + number));
            let other = Other { rng, url: database_url.to_owned(), answers: Arc::clone(&answers), own: Vec::new() };
            tasks.spawn(other.run(long_pause, stop.clone()));
        }
        Self { stop, tasks, answers }
    }

    /// Lets them end what they are at; what they were told.
    pub async fn stop(self) -> Answers {
        self.stop.cancel();
        self.tasks.join_all().await;
        std::mem::take(&mut *self.answers.lock().unwrap())
    }
}

/// Writes through HTTP, as a browser would.
struct Poster {
    addresses: Addresses,
    answers: Arc<Mutex<Answers>>,
    rng: Rng,
    client: Client,
    number: u64,
    mine: Vec<i64>,
}

impl Poster {
    async fn run(mut self, pause: Duration, stop: CancellationToken) {
        for count in 0.. {
            match self.rng.u8(0..10) {
                0 if !self.mine.is_empty() => self.delete().await,
                1 | 2 if !self.mine.is_empty() => self.patch(count).await,
                _ => self.post(count).await,
            }
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    async fn post(&mut self, count: usize) {
        let room = format!("room-{}", self.rng.u8(0..3));
        let body = json!({ "content": format!("post {} {count}", self.number), "sender_id": SENDER, "room": room });
        if let Some(answer) = self.call(Method::POST, "/message", Some(body), &[StatusCode::CREATED]).await {
            let id = answer["id"].as_i64().expect("an id");
            self.answers.lock().unwrap().taken.push(id);
            self.mine.push(id);
        }
    }

    async fn patch(&mut self, count: usize) {
        let id = *self.rng.choice(&self.mine).unwrap();
        let body = json!({ "content": format!("patch {} {count}", self.number) });
        let fine = [StatusCode::OK, StatusCode::NOT_FOUND];
        self.call(Method::PATCH, &format!("/message/{id}"), Some(body), &fine).await;
    }

    async fn delete(&mut self) {
        let id = self.mine.swap_remove(self.rng.usize(0..self.mine.len()));
        let fine = [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND];
        self.call(Method::DELETE, &format!("/message/{id}"), None, &fine).await;
    }

    /// Calls any node; the answer's body, if it was fine.
    async fn call(&mut self, method: Method, path: &str, body: Option<Value>, fine: &[StatusCode]) -> Option<Value> {
        let address = {
            let addresses = self.addresses.read().unwrap();
            self.rng.choice(addresses.iter()).cloned()
        }?;
        let mut request = self.client.request(method.clone(), format!("http://{address}{path}")).timeout(PATIENCE);
        if let Some(body) = &body {
            request = request.json(body);
        }
        let asked = Instant::now();
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                let mut answers = self.answers.lock().unwrap();
                answers.unanswered += 1;
                if error.is_timeout() {
                    answers.wrong.push(format!("{method} {path}: no answer in {:?}", asked.elapsed()));
                }
                return None;
            }
        };
        let (status, returns) = (response.status(), response.headers().contains_key("retry-after"));
        let text = response.text().await.ok()?;
        let mut answers = self.answers.lock().unwrap();
        if fine.contains(&status) {
            return Some(serde_json::from_str(&text).unwrap_or_default());
        } else if status == StatusCode::SERVICE_UNAVAILABLE && returns {
            answers.refused += 1;
        } else {
            answers.wrong.push(format!("{method} {path}: {status} {text}"));
        }
        None
    }
}

/// Another program: transactions of several statements, some of them rolled back.
struct Other {
    rng: Rng,
    url: String,
    answers: Arc<Mutex<Answers>>,
    own: Vec<i64>,
}

impl Other {
    async fn run(mut self, pause: Duration, stop: CancellationToken) {
        let mut session = None;
        while !stop.is_cancelled() {
            let connected = match session.take() {
                Some(session) => Ok(session),
                None => PgConnection::connect(&self.url).await,
            };
            if let Ok(mut connected) = connected
                && self.transaction(&mut connected).await.is_ok()
            {
                session = Some(connected);
            } else {
                self.answers.lock().unwrap().lost_sessions += 1;
            }
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
    }

    /// An error is a deadlock, or a server that went away: which of the two, nobody needs to know.
    async fn transaction(&mut self, session: &mut PgConnection) -> sqlx::Result<()> {
        let mut transaction = session.begin().await?;
        let mut own = self.own.clone();
        for _ in 0..self.rng.u8(1..=4) {
            let (kind, statement) = writers::statement(&mut self.rng, &own);
            let rows: Vec<(i64, String)> =
                sqlx::query_as(AssertSqlSafe(statement)).fetch_all(&mut *transaction).await?;
            match kind {
                "new_message" => own.extend(rows.iter().map(|(id, _)| id)),
                "deleted_message" => own.retain(|own| rows.iter().all(|(id, _)| id != own)),
                _ => {}
            }
            let nap = format!("select pg_sleep({})", self.rng.f64() * 0.01);
            transaction.execute(AssertSqlSafe(nap)).await?;
        }
        if self.rng.u8(0..5) == 0 {
            return transaction.rollback().await;
        }
        transaction.commit().await?;
        self.own = own;
        self.answers.lock().unwrap().committed += 1;
        Ok(())
    }
}
