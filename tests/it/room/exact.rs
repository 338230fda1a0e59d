//! The counts are those of the rows, at every instant: whatever writers do, and whoever folds meanwhile.

use std::time::Duration;

use fastrand::Rng;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::{task::JoinSet, time::Instant};

use super::*;
use crate::support::writers::seed;

/// Writers at the same time, each in a session of its own.
const WRITERS: u64 = 6;

/// How long they write.
const SPAN: Duration = Duration::from_secs(6);

/// A node that folds, trims and ticks as often as it can.
const BUSY: [(&str, &str); 3] = [("COUNT_EVERY", "1ms"), ("TRIM_EVERY", "2ms"), ("RETENTION_CHANGES", "50")];

/// A statement on rows of random rooms.
fn statement(rng: &mut Rng) -> String {
    let (room, other, few) = (rng.u8(0..5), rng.u8(0..5), rng.u8(1..20));
    let some = format!("id in (select id from messages where room = 'r{room}' order by id limit {few})");
    match rng.u8(0..24) {
        0..8 => fill(&format!("r{room}"), few.into()),
        8..11 => format!(
            "insert into messages (room, content, sender_id)
             select 'r' || n % 5, 'x', gen_random_uuid() from generate_series(1, {few}) n"
        ),
        11..14 => format!("update messages set room = 'r{other}' where {some}"),
        14 => format!("update messages set content = content || 'y' where {some}"),
        15 => format!("update messages set id = -id where {some}"),
        16..20 => format!("delete from messages where {some}"),
        20 => format!("delete from messages where room = 'r{room}'"),
        21 => "truncate messages".to_owned(),
        22 => "insert into elsewhere default values".to_owned(),
        _ => format!("select pg_sleep({})", rng.f64() * 0.03),
    }
}

/// A few statements: in one transaction or in several, kept or taken back, in part or whole; or rows by COPY.
async fn work(session: &mut PgConnection, rng: &mut Rng) -> sqlx::Result<()> {
    match rng.u8(0..10) {
        0 => {
            let mut copy = session.copy_in_raw("copy messages (room, content, sender_id) from stdin").await?;
            let row = format!("r{}\tcopied\t{SENDER}\n", rng.u8(0..5));
            copy.send(row.repeat(rng.usize(1..30)).into_bytes()).await?;
            // Half of them fail at the end.
            if rng.bool() { copy.finish().await.map(drop) } else { copy.abort("on purpose").await }
        }
        1..4 => session.execute(AssertSqlSafe(statement(rng))).await.map(drop),
        kind => {
            let mut transaction = session.begin().await?;
            for _ in 0..rng.u8(1..5) {
                transaction.execute(AssertSqlSafe(statement(rng))).await?;
                if rng.u8(0..4) == 0 {
                    transaction.execute("savepoint here").await?;
                    transaction.execute(AssertSqlSafe(statement(rng))).await?;
                    transaction.execute("rollback to savepoint here").await?;
                }
            }
            if kind < 6 { transaction.rollback().await } else { transaction.commit().await }
        }
    }
}

async fn write(mut session: PgConnection, mut rng: Rng, end: Instant) {
    session.execute("set deadlock_timeout = '10ms'; set lock_timeout = '2s'").await.unwrap();
    while Instant::now() < end {
        // A deadlock, or a COPY that was given up: nothing of it is left.
        let _ = work(&mut session, &mut rng).await;
    }
}

/// Compares all the while: how often, and how many different states of the counts were met.
async fn compare(world: &World, end: Instant) -> (u32, usize) {
    let (mut session, mut looks, mut met) = (world.session().await, 0, std::collections::BTreeSet::new());
    while Instant::now() < end {
        assert_eq!(wrong(&mut session).await, [] as [String; 0]);
        let upto = sqlx::query_scalar::<_, String>("select upto::text from feed.counted where feed.counts_hold()");
        met.extend(upto.fetch_optional(&mut session).await.unwrap());
        looks += 1;
    }
    (looks, met.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_are_exact_at_every_instant_whatever_writers_do() {
    let world = World::new().await;
    let (one, _two) = (world.node_with(&BUSY).await, world.node_with(&BUSY).await);
    world.sql("create table elsewhere (id bigint generated always as identity)").await;
    let (seed, end) = (seed(), Instant::now() + SPAN);
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        writers.spawn(write(world.session().await, Rng::with_seed(seed.wrapping_add(number)), end));
    }
    // Counts that are left alone for a while, and then folded at once.
    let disturb = async {
        let mut rng = Rng::with_seed(seed);
        while Instant::now() < end {
            let mut holding = world.session().await;
            let mut holding = holding.begin().await.unwrap();
            holding.execute("select from feed.counted for update").await.unwrap();
            tokio::time::sleep(Duration::from_millis(rng.u64(0..300))).await;
            holding.rollback().await.unwrap();
            tokio::time::sleep(Duration::from_millis(rng.u64(0..300))).await;
        }
    };
    let ((looks, met), _, ()) = tokio::join!(compare(&world, end), compare(&world, end), disturb);
    writers.join_all().await;
    assert!(looks > 50 && met > 20, "{looks} looks at {met} states are too few");
    assert_eq!(wrong(&world.pool).await, [] as [String; 0]);
    // At rest the table alone has them, and no room without messages.
    folded(&world).await;
    let apart =
        "select count(*) from feed.room full join (select room, count(*) as messages from messages group by room) m
        on m.room = feed.room.room where m.messages is distinct from feed.room.messages";
    assert_eq!(world.number(apart).await, 0);
    let told: i64 = rooms(&page(&one, "").await).iter().map(|(_, messages)| messages).sum();
    assert_eq!(told, world.number("select count(*) from messages").await);
}

#[tokio::test]
async fn counts_are_exact_in_a_snapshot_that_is_kept() {
    let world = World::new().await;
    let _node = world.node_with(&[("COUNT_EVERY", "1ms")]).await;
    world.sql(&fill("a", 5)).await;
    let mut session = world.session().await;
    let mut kept = session.begin().await.unwrap();
    kept.execute("set transaction isolation level repeatable read").await.unwrap();
    assert_eq!(wrong(&mut *kept).await, [] as [String; 0]);
    for _ in 0..5 {
        world.sql(&[fill("a", 3), fill("b", 1), "delete from messages where id % 2 = 0".to_owned()].concat()).await;
        folded(&world).await;
        assert_eq!(wrong(&mut *kept).await, [] as [String; 0]);
    }
    // What the transaction itself has written is in its counts, too.
    kept.execute(AssertSqlSafe(fill("mine", 2))).await.unwrap();
    assert_eq!(wrong(&mut *kept).await, [] as [String; 0]);
}
