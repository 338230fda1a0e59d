//! PostgreSQL goes away, comes back, refuses, hangs on to something, or is another one.

use std::os::unix::fs::{MetadataExt, chown};

use rowcast::change::EventId;
use sqlx::{Connection, Executor, PgConnection};
use tokio::time::Instant;

use crate::support::{
    Link, Machine,
    crowd::Manner,
    message, soon,
    stage::{Outcome, Scale, Stage},
    until,
};

const ROW: &str = "insert into messages (content, sender_id) values ('early', gen_random_uuid())";

/// A call that writes is answered, with "not now".
async fn refuses(stage: &mut Stage) {
    let answer = stage.nodes[0].node.post("/message", &message("lost")).await;
    if answer.status != 503 || !answer.headers.contains_key("retry-after") {
        stage.outcome.wrong.push(format!("POST was answered with {} {}", answer.status, answer.body));
    }
}

/// It ends by this signal, is away, and starts again on the same data.
async fn restarts(scale: Scale, signal: &str) -> Outcome {
    let mut stage = Stage::busy(scale, 3, &[], &[("DATABASE_TIMEOUT", "1s")]).await;
    stage.postgres.end(signal).await;
    refuses(&mut stage).await;
    stage.flow(10.0).await;
    stage.postgres.start().await;
    stage.rewire().await;
    stage.recovers(Instant::now(), None).await;
    stage.flow(5.0).await;
    stage.close().await
}

/// It ends all sessions, and stops.
pub async fn restarted(scale: Scale) -> Outcome {
    restarts(scale, "INT").await
}

/// It stops as by a crash, and recovers from its log.
pub async fn crashed(scale: Scale) -> Outcome {
    restarts(scale, "QUIT").await
}

/// Whoever listens loses its session, again and again.
pub async fn listeners_ended(scale: Scale) -> Outcome {
    sessions_ended(scale, "query ilike 'listen%'").await
}

/// Every session is ended, again and again.
pub async fn all_sessions_ended(scale: Scale) -> Outcome {
    sessions_ended(scale, "backend_type = 'client backend'").await
}

async fn sessions_ended(scale: Scale, which: &str) -> Outcome {
    let mut stage = Stage::busy(scale, 3, &[], &[]).await;
    let end = format!(
        "select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid() and {which}"
    );
    for _ in 0..5 {
        let since = Instant::now();
        stage.world.sql(&end).await;
        stage.recovers(since, None).await;
        stage.flow(1.0).await;
    }
    stage.close().await
}

/// Transactions that have written stay open for a minute, here and in another database: nobody waits for them, and
/// what was written early and committed late comes late.
pub async fn long_transactions(scale: Scale) -> Outcome {
    let mut stage = Stage::busy(scale, 2, &[], &[]).await;
    stage.world.sql("create database elsewhere").await;
    let elsewhere = stage.world.database_url.rsplit_once('/').unwrap().0.to_owned() + "/elsewhere";
    let (mut here, mut there) = (stage.world.session().await, PgConnection::connect(&elsewhere).await.unwrap());
    let mut here = here.begin().await.unwrap();
    here.execute(ROW).await.unwrap();
    let mut there = there.begin().await.unwrap();
    there.execute("create table anything ()").await.unwrap();
    let begun = Instant::now();
    while begun.elapsed() < scale.span(60.0) {
        stage.recovers(Instant::now(), None).await;
        stage.flow(2.0).await;
    }
    let since = Instant::now();
    here.commit().await.unwrap();
    there.commit().await.unwrap();
    stage.recovers(since, None).await;
    stage.close().await
}

/// An administrator allows no statement more than a moment, and no session to be idle.
pub async fn statement_timeout(scale: Scale) -> Outcome {
    let mut stage = Stage::busy(scale, 2, &[], &[]).await;
    stage.world.sql("alter database rowcast set statement_timeout = '5ms'").await;
    stage.world.sql("alter database rowcast set idle_session_timeout = '200ms'").await;
    let since = Instant::now();
    stage.world.sql("set statement_timeout = 0; select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()").await;
    // More than fits into a moment.
    let rows = scale.of(10_000);
    let many = format!(
        "set statement_timeout = 0; insert into messages (content, sender_id)
         select 'many', gen_random_uuid() from generate_series(1, {rows})"
    );
    stage.world.sql(&many).await;
    stage.recovers(since, None).await;
    stage.flow(5.0).await;
    stage.world.sql("alter database rowcast reset all").await;
    stage.close().await
}

/// Others take every connection that there is, and the leader loses its own.
pub async fn connections_exhausted(scale: Scale) -> Outcome {
    let mut stage = Stage::busy(scale, 2, &[], &[("DATABASE_TIMEOUT", "1s")]).await;
    let mut taken = Vec::new();
    while let Ok(session) = PgConnection::connect(&stage.world.database_url).await {
        taken.push(session);
    }
    let end = "select pg_terminate_backend(leader_pid) from feed.state";
    taken[0].execute(end).await.unwrap();
    let begun = Instant::now();
    while begun.elapsed() < scale.span(10.0) {
        taken.extend(PgConnection::connect(&stage.world.database_url).await);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    stage.note(format!("{} sessions of others", taken.len()));
    drop(taken);
    stage.recovers(Instant::now(), None).await;
    stage.flow(5.0).await;
    stage.close().await
}

/// A standby that lacks the last changes takes over: what subscribers were told is gone, and they are told so.
pub async fn standby_promoted(scale: Scale) -> Outcome {
    let mut stage = Stage::busy(scale, 2, &[], &[("DATABASE_TIMEOUT", "1s")]).await;
    let wire = Link::to(stage.postgres.url()).await;
    let standby = standby(&stage.postgres, wire.url()).await;
    let replayed = "select coalesce(bool_and(replay_lsn is not null), false)::int::bigint from pg_stat_replication";
    until("the standby follows", async || stage.world.number(replayed).await == 1).await;
    stage.flow(5.0).await;

    wire.cut();
    let (mark, told) = (stage.mark().await, stage.record.len());
    until("the crowd knows more than the standby", async || stage.has(&mark) && stage.record.len() > told).await;
    stage.postgres.end("QUIT").await;
    let mut session = PgConnection::connect(standby.url()).await.unwrap();
    let promoted: bool = sqlx::query_scalar("select pg_promote()").fetch_one(&mut session).await.unwrap();
    assert!(promoted);
    stage.postgres = standby;
    stage.forgotten = Some(1);
    stage.rewire().await;
    let since = Instant::now();
    until("all are told to read anew", async || stage.crowd.all(|seen| seen.resets > 0)).await;
    stage.recovers(since, None).await;
    let often = stage.crowd.sum(|seen| usize::from(seen.resets != 1));
    if often > 0 {
        stage.outcome.wrong.push(format!("{often} subscribers were told more than once"));
    }
    stage.outcome.told_to_read_anew = true;
    // What the new generation began with, before the nodes knew of it, can be had from the log.
    let floor = stage.world.number("select floor_position from feed.state").await;
    let from = Some(EventId::new(2, floor));
    let late = stage.gather(1, &Manner { from, ..Manner::default() }).await;
    until("who asks has all of it", async || late.all(|seen| stage.crowd.all(|other| seen.at >= other.at))).await;
    stage.compare(&late);
    stage.flow(5.0).await;
    stage.close().await
}

/// A standby of this server, which it follows over that wire.
async fn standby(primary: &Machine, wire: &str) -> Machine {
    let dir = primary.dir().with_file_name("two");
    let (home, data) = (dir.join("postgres"), dir.join("postgres/data"));
    std::fs::create_dir_all(&home).unwrap();
    std::fs::copy(primary.dir().join("password"), dir.join("password")).unwrap();
    // PostgreSQL runs as whom its data belong to.
    let owner = primary.dir().join("postgres/data").metadata().unwrap();
    chown(&home, Some(owner.uid()), Some(owner.gid())).unwrap();
    let program = std::fs::read_link(format!("/proc/{}/exe", primary.id())).unwrap();
    let mut backup = tokio::process::Command::new(program.with_file_name("pg_basebackup"));
    backup.args(["--write-recovery-conf", "--checkpoint=fast", "--dbname", wire, "--pgdata"]).arg(&data);
    backup.uid(owner.uid()).gid(owner.gid()).current_dir("/");
    assert!(soon("the backup", backup.status()).await.unwrap().success());
    Machine::postgres(&dir).await
}
