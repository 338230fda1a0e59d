//! Much at once: statements of many rows, large messages, a past that is let go while it is being read.

use std::time::Duration;

use rowcast::change::EventId;
use tokio::{sync::watch, time::Instant};

use crate::support::{
    SENDER,
    crowd::Manner,
    stage::{Outcome, Scale, Stage},
    until,
};

/// No node has ever taken more than so many MiB.
fn bounded(stage: &mut Stage, mebibytes: usize) {
    let most = stage.nodes.iter().map(|wired| wired.node.memory("VmHWM")).max().unwrap_or_default() / 1024;
    stage.note(format!("a node took {most} MiB at most"));
    if most > mebibytes {
        stage.outcome.wrong.push(format!("a node took {most} MiB"));
    }
}

/// A statement that writes, changes and takes away very many rows, each of them told.
pub async fn huge_statements(scale: Scale) -> Outcome {
    let mut stage = Stage::busy(Scale { subscribers: 10, sockets: 3, ..scale }, 2, &[], &[]).await;
    let rows = scale.of(200_000);
    let statements = [
        (
            "INSERT",
            format!(
                "insert into messages (content, room, sender_id) select 'huge', 'huge', '{SENDER}' from generate_series(1, {rows})"
            ),
        ),
        ("UPDATE", "update messages set content = 'changed' where room = 'huge'".to_owned()),
        ("DELETE", "delete from messages where room = 'huge'".to_owned()),
    ];
    for (name, statement) in statements {
        stage.world.sql(&statement).await;
        let since = Instant::now();
        stage.recovers(since, None).await;
        stage.note(format!("{name} of {rows}: told to all {:.1?} after its commit", since.elapsed()));
    }
    bounded(&mut stage, 512);
    stage.close().await
}

/// Messages of the largest size, fifty a second.
pub async fn large_messages(scale: Scale) -> Outcome {
    let mut stage = Stage::busy(Scale { subscribers: 8, sockets: 3, ..scale }, 2, &[], &[]).await;
    let (begun, mut count) = (Instant::now(), 0);
    let content = "x".repeat(1 << 20);
    while begun.elapsed() < scale.span(10.0) {
        let body = serde_json::json!({ "content": content, "sender_id": SENDER });
        stage.nodes[count % 2].node.say(body).await;
        count += 1;
        tokio::time::sleep_until(begun + Duration::from_millis(20) * count as u32).await;
    }
    stage.note(format!("{count} MiB in {:.1?}", begun.elapsed()));
    stage.recovers(Instant::now(), None).await;
    bounded(&mut stage, 512);
    stage.close().await
}

/// All rows go at once; that is one event for everybody.
pub async fn truncated(scale: Scale) -> Outcome {
    let mut stage = Stage::busy(scale, 2, &[], &[]).await;
    for _ in 0..3 {
        let since = Instant::now();
        stage.world.sql("truncate messages").await;
        stage.recovers(since, None).await;
        stage.flow(2.0).await;
    }
    stage.close().await
}

/// A reader is so slow that the log lets go of what it has not read: it is told, and goes on.
pub async fn expired_while_behind(scale: Scale) -> Outcome {
    // A page that others have read would rightly be told to the slow ones too: none is kept but the newest, a short
    // one. And those that read lack less than the log keeps, however slow the machine is: they wait for each other.
    let settings = [
        ("RETENTION_CHANGES", "2000"),
        ("TRIM_EVERY", "100ms"),
        ("RING_CHANGES", "64"),
        ("PAGE_CHANGES", "64"),
        ("PAGE_CACHE", "1"),
        ("SEND_BUFFER", "8KiB"),
        ("WRITE_TIMEOUT", "60s"),
    ];
    let mut stage = Stage::busy(scale, 2, &[], &settings).await;
    // Sockets have no past: what does not fit into the ring sends them away, again and again.
    (stage.guests.are_cut, stage.guests.one_in) = (true, 1000);
    let (read, reading) = watch::channel(true);
    let manner = Manner { receive_buffer: Some(4096), reading: Some(reading), ..Manner::default() };
    let slow = stage.gather(5, &manner).await;
    read.send_replace(false);
    for _ in 0..10 {
        let many = format!(
            "insert into messages (content, sender_id)
             select repeat('past', 150), '{SENDER}' from generate_series(1, 500)"
        );
        stage.world.sql(&many).await;
        stage.recovers(Instant::now(), None).await;
    }
    // The retention may be late, too.
    let kept = "select (t.first_position + t.count - s.floor_position < 3000)::int::bigint
                  from feed.tick t, feed.state s order by t.tick desc limit 1";
    until("the past is let go", async || stage.world.number(kept).await == 1).await;
    read.send_replace(true);
    let head = stage.mark().await;
    until("all have it", async || stage.has(&head)).await;
    let head: Option<EventId> = stage.record.mark(&head);
    until("the slow ones are live", async || slow.all(|seen| seen.at >= head)).await;
    let untold = slow.sum(|seen| usize::from(seen.resets == 0));
    let gaps = slow.sum(|seen| seen.missing.len() + seen.repeated as usize + seen.disordered as usize);
    stage.compare(&slow);
    stage.note(format!("5 slow readers, {untold} not told, {gaps} silent gaps"));
    if untold + gaps > 0 {
        stage.outcome.wrong.push("what was lost was not told".to_owned());
    }
    stage.close().await
}

/// The log is trimmed all the time, by age and by number, and nobody who reads notices.
pub async fn trimmed_all_the_time(scale: Scale) -> Outcome {
    let settings = [("RETENTION", "2s"), ("RETENTION_CHANGES", "200"), ("TRIM_EVERY", "50ms"), ("TRIM_TICKS", "5")];
    let mut stage = Stage::busy(scale, 2, &[], &settings).await;
    stage.flow(20.0).await;
    stage.recovers(Instant::now(), None).await;
    let bounded = "select (count(*) < 500)::int::bigint from feed.log";
    until("the log is bounded", async || stage.world.number(bounded).await == 1).await;
    let gone = stage.world.number("select floor_position from feed.state").await;
    stage.note(format!("{gone} changes let go"));
    if gone == 0 {
        stage.outcome.wrong.push("nothing was trimmed".to_owned());
    }
    stage.close().await
}
