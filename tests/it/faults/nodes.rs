//! Nodes go, by force and in good order; their clients go on elsewhere.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::{
    soon,
    stage::{Outcome, Scale, Stage},
};

/// One after the other is killed, the leader too, and replaced.
pub async fn killed(scale: Scale) -> Outcome {
    let mut stage = Stage::busy(scale, 3, &[], &[]).await;
    stage.guests.are_cut = true;
    for node in [1, 0] {
        let since = Instant::now();
        stage.hide(node);
        stage.nodes[node].node.signal("KILL");
        stage.recovers(since, None).await;
        stage.flow(3.0).await;
    }
    stage.add_node(&[]).await;
    stage.flow(5.0).await;
    stage.close().await
}

/// A node is told to go: it says so to all of its clients, and they do not come elsewhere all at once.
pub async fn terminated(scale: Scale) -> Outcome {
    let mut stage = Stage::busy(scale, 2, &[], &[("RETRY", "1s"), ("DRAIN", "2s")]).await;
    stage.guests.are_cut = true;
    let since = Instant::now();
    leaves(&mut stage, 0).await;
    spread(&mut stage, since);
    stage.flow(5.0).await;
    stage.close().await
}

/// Each is replaced by a new one, as by an update.
pub async fn restarted_in_turn(scale: Scale) -> Outcome {
    let mut stage = Stage::busy(scale, 3, &[], &[]).await;
    stage.guests.are_cut = true;
    for node in 0..3 {
        stage.add_node(&[]).await;
        leaves(&mut stage, node).await;
        stage.flow(2.0).await;
    }
    stage.close().await
}

/// Ends a node in good order; whoever was there is told, and goes on elsewhere.
async fn leaves(stage: &mut Stage, node: usize) {
    let (cuts, byes) = (stage.crowd.sum(|seen| seen.cuts as usize), stage.crowd.sum(|seen| seen.byes as usize));
    let (asked, address) = (Instant::now(), stage.address(node));
    let there = stage.crowd.sum(|seen| usize::from(seen.address == address));
    stage.hide(node);
    stage.nodes[node].node.signal("TERM");
    let status = soon("the node ends", stage.nodes[node].node.process.wait()).await.unwrap();
    if status.code() != Some(0) {
        stage.outcome.wrong.push(format!("a node ended with {status}"));
    }
    // Then all of them have noticed their connection's end, and come elsewhere.
    stage.recovers(Instant::now(), None).await;
    let byes = stage.crowd.sum(|seen| seen.byes as usize) - byes;
    stage.note(format!("{there} clients there, {byes} byes, gone and back in {:.1?}", asked.elapsed()));
    let cuts = stage.crowd.sum(|seen| seen.cuts as usize) - cuts;
    if cuts > 0 || there == 0 {
        stage.outcome.wrong.push(format!("{cuts} of {there} were not told"));
    }
}

/// How the clients came elsewhere: no more than a part of them within any tenth of a second.
fn spread(stage: &mut Stage, since: Instant) {
    let mut back = Vec::new();
    stage.crowd.each(|seen| back.extend(seen.connects.iter().filter(|at| **at > since)));
    back.sort_unstable();
    let within =
        |from: &Instant| back.iter().filter(|at| (*from..*from + Duration::from_millis(100)).contains(at)).count();
    let most = back.iter().map(within).max().unwrap_or_default();
    stage.note(format!("{} came back, at most {most} within 100 ms", back.len()));
    if most > back.len() / 4 + 5 {
        stage.outcome.wrong.push(format!("{most} of {} came back at once", back.len()));
    }
}
