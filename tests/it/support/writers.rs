//! Random writers at work at once, and the truth about what they did: what PostgreSQL told each of them.

use std::collections::HashMap;

use fastrand::Rng;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Postgres, Transaction};
use tokio::task::JoinSet;

use super::{SENDER, World};

/// Writers at the same time, each in a session of its own.
const WRITERS: u64 = 6;

/// Rows that all writers change, beside their own. The content of every row is a number that each change counts up.
pub const SHARED_ROWS: u8 = 6;

/// What a transaction has done, in order: the type of event, the row, its content.
pub type Deeds = Vec<(&'static str, i64, String)>;

/// What each committed transaction has done, by its id.
pub type Truth = HashMap<String, Deeds>;

/// A seed for all that is random in a test: a given one, or one that is printed if the test fails.
pub fn seed() -> u64 {
    let seed = std::env::var("ORACLE_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("to throw the same dice again: ORACLE_SEED={seed}");
    seed
}

/// Lets the writers write, so many transactions each. One more begins before them all and commits after them.
pub async fn write(world: &World, seed: u64, transactions: u32) -> Truth {
    world.sql("create table elsewhere (id bigint generated always as identity)").await;
    let (mut first, mut late) = (world.session().await, world.session().await);
    let mut first = Work::begin(&mut first).await;
    first.change(insert(1, SHARED_ROWS)).await.unwrap();
    let mut truth = Truth::from([first.commit().await]);
    let mut late = Work::begin(&mut late).await;
    late.change(insert(0, 1)).await.unwrap();

    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        let (rng, session) = (Rng::with_seed(seed.wrapping_add(number)), world.session().await);
        writers.spawn(Writer { rng, session, own: Vec::new(), truth: Truth::new() }.run(transactions));
    }
    truth.extend(writers.join_all().await.into_iter().flatten());
    truth.extend([late.commit().await]);
    truth
}

struct Writer {
    rng: Rng,
    session: PgConnection,
    /// Rows that nobody else changes.
    own: Vec<i64>,
    truth: Truth,
}

impl Writer {
    async fn run(mut self, transactions: u32) -> Truth {
        // They lock the shared rows in any order; the deadlocks that follow are to be found quickly.
        self.session.execute("set deadlock_timeout = '10ms'").await.unwrap();
        for _ in 0..transactions {
            self.transaction().await;
        }
        self.truth
    }

    /// A few statements, which are then committed, rolled back, or were ended by a deadlock.
    async fn transaction(&mut self) {
        let mut work = Work::begin(&mut self.session).await;
        work.own.clone_from(&self.own);
        let done = work.statements(&mut self.rng).await;
        if done.is_err() || self.rng.u8(0..5) == 0 {
            return work.transaction.rollback().await.unwrap();
        }
        self.own.clone_from(&work.own);
        self.truth.extend([work.commit().await]);
    }
}

/// A transaction under way.
struct Work<'a> {
    transaction: Transaction<'a, Postgres>,
    own: Vec<i64>,
    deeds: Deeds,
}

impl<'a> Work<'a> {
    async fn begin(session: &'a mut PgConnection) -> Self {
        Self { transaction: session.begin().await.unwrap(), own: Vec::new(), deeds: Deeds::new() }
    }

    async fn statements(&mut self, rng: &mut Rng) -> sqlx::Result<()> {
        if rng.bool() {
            // The transaction gets an id that is older than its changes, and than those of others.
            self.transaction.execute("insert into elsewhere default values").await?;
        }
        for _ in 0..rng.u8(1..=4) {
            match rng.u8(0..10) {
                0 => self.undone(rng).await?,
                1 | 2 => self.dawdle(rng).await?,
                _ => self.change(statement(rng, &self.own)).await?,
            }
        }
        Ok(())
    }

    /// A change that is taken back to a savepoint.
    async fn undone(&mut self, rng: &mut Rng) -> sqlx::Result<()> {
        let before = (self.own.clone(), self.deeds.clone());
        self.transaction.execute("savepoint here").await?;
        self.change(statement(rng, &self.own)).await?;
        self.transaction.execute("rollback to savepoint here").await?;
        (self.own, self.deeds) = before;
        Ok(())
    }

    /// Slow work in the database, so that transactions overlap and commit in any order.
    async fn dawdle(&mut self, rng: &mut Rng) -> sqlx::Result<()> {
        let pause = format!("select pg_sleep({})", rng.f64() * 0.01);
        self.transaction.execute(AssertSqlSafe(pause)).await?;
        Ok(())
    }

    async fn change(&mut self, (kind, statement): (&'static str, String)) -> sqlx::Result<()> {
        let rows = sqlx::query_as(AssertSqlSafe(statement)).fetch_all(&mut *self.transaction);
        let mut rows: Vec<(i64, String)> = rows.await?;
        // The rows of one statement have no order of their own; the feed tells them by id.
        rows.sort();
        match kind {
            "new_message" => self.own.extend(rows.iter().map(|(id, _)| id)),
            "deleted_message" => self.own.retain(|own| rows.iter().all(|(id, _)| id != own)),
            _ => {}
        }
        self.deeds.extend(rows.into_iter().map(|(id, content)| (kind, id, content)));
        Ok(())
    }

    /// Commits; what was done, under the transaction's id.
    async fn commit(mut self) -> (String, Deeds) {
        let id = sqlx::query_scalar("select pg_current_xact_id()::text").fetch_one(&mut *self.transaction);
        let id = id.await.unwrap();
        self.transaction.commit().await.unwrap();
        (id, self.deeds)
    }
}

/// A statement on rows of all, or of the writer's own.
pub fn statement(rng: &mut Rng, own: &[i64]) -> (&'static str, String) {
    let some = |ids: Vec<i64>| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let shared = some(rng.choose_multiple(1..=i64::from(SHARED_ROWS), 2));
    let own = some(rng.choose_multiple(own.iter().copied(), 3));
    match rng.u8(0..8) {
        0..3 => ("updated_message", update(&shared)),
        3 if !own.is_empty() => ("updated_message", update(&own)),
        4 if !own.is_empty() => {
            ("deleted_message", format!("delete from messages where id in ({own}) returning id, content"))
        }
        _ => insert(rng.u8(0..3), rng.u8(1..=5)),
    }
}

pub fn insert(room: u8, rows: u8) -> (&'static str, String) {
    let insert = format!(
        "insert into messages (content, room, sender_id)
         select '0', 'room-{room}', '{SENDER}' from generate_series(1, {rows}) returning id, content"
    );
    ("new_message", insert)
}

fn update(ids: &str) -> String {
    format!("update messages set content = content::int + 1 where id in ({ids}) returning id, content")
}
