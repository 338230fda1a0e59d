//! A session's log takes chunks as they come: late, early, twice, from whoever is its producer; or it says why not, and
//! then nothing has changed.

use std::time::Duration;

use rowcast::{
    redis::session::{Bounds, NotAppended, NotRotated, Opened, Step},
    reply::{Batch, Reason, State},
};
use uuid::Uuid;

use crate::support::{
    Link, World,
    logs::{self, BOUNDS, Log, TOKEN, batch, final_batch, opening},
};

#[tokio::test]
async fn of_a_session_that_was_never_opened_nothing_is_known() {
    let world = World::new().await;
    let log = Log::unopened(&world, BOUNDS).await;
    assert_eq!(log.refused(&final_batch(&[(0, "a")], 0)).await, NotAppended::Unknown);
    assert_eq!(log.logs.rotate(log.id, "other").await.unwrap(), Err(NotRotated::Unknown));
    assert_eq!(log.logs.cancel(log.id, "who", true).await.unwrap(), Step::Gone);
    assert_eq!(log.logs.fail(log.id, Reason::UpstreamError, "").await.unwrap(), Step::Gone);
    assert_eq!(log.logs.complete(log.id, Some(1)).await.unwrap(), Step::Gone);
    assert_eq!(log.reap().await, Step::Gone);
    assert_eq!(log.logs.look(log.id).await.unwrap(), None);
    assert_eq!(log.logs.read(log.id, 0, 100).await.unwrap().state, None);
    assert!(log.dump().await.is_empty());
}

#[tokio::test]
async fn a_session_is_opened_once_and_found_open_by_who_asks_for_the_same() {
    let world = World::new().await;
    let log = Log::open(&world, BOUNDS).await;
    let born = u64::try_from(log.look().await.created.timestamp_millis()).unwrap();
    assert_eq!(log.due().await, Some(born + 60_000));
    let before = log.dump().await;
    // The answer was lost, and it is asked again.
    assert_eq!(log.logs.open(&opening(log.id), TOKEN).await.unwrap(), Opened::New { born });
    assert_eq!(log.dump().await, before);
    log.put(&batch(&[(0, "a"), (1, "b")])).await;
    let before = log.dump().await;
    let there = log.logs.open(&opening(log.id), "other").await.unwrap();
    assert_eq!(there, Opened::There { token: TOKEN.to_owned(), count: 2, born, state: State::Streaming });
    let same = opening(log.id);
    for other in [
        rowcast::reply::Opening { owner: "else".to_owned(), ..same.clone() },
        rowcast::reply::Opening { sender: Uuid::nil(), ..same.clone() },
        rowcast::reply::Opening { room: "else".to_owned(), ..same.clone() },
    ] {
        assert_eq!(log.logs.open(&other, TOKEN).await.unwrap(), Opened::Taken);
    }
    assert_eq!(log.dump().await, before);
    log.put(&final_batch(&[], 1)).await;
    assert!(matches!(log.logs.open(&same, "other").await.unwrap(), Opened::There { .. }), "it is not written yet");
    log.logs.complete(log.id, Some(1)).await.unwrap();
    assert_eq!(log.logs.open(&same, TOKEN).await.unwrap(), Opened::Taken);
}

#[tokio::test]
async fn no_more_than_the_most_sessions_are_open_and_one_that_is_over_makes_room() {
    let world = World::new().await;
    let log = Log::open(&world, Bounds { open: 2, ..BOUNDS }).await;
    let (second, third) = (opening(Uuid::new_v4()), opening(Uuid::new_v4()));
    assert!(matches!(log.logs.open(&second, TOKEN).await.unwrap(), Opened::New { .. }));
    let before = log.dump().await;
    assert_eq!(log.logs.open(&third, TOKEN).await.unwrap(), Opened::Full);
    assert_eq!(log.dump().await, before);
    assert!(matches!(log.logs.open(&second, "other").await.unwrap(), Opened::There { .. }));
    log.logs.cancel(log.id, "", false).await.unwrap();
    assert!(matches!(log.logs.open(&third, TOKEN).await.unwrap(), Opened::New { .. }));
    assert_eq!(log.logs.due(10).await.unwrap(), (vec![], 2));
}

#[tokio::test]
async fn what_redis_has_left_of_a_session_that_it_lost_is_not_in_the_next_one() {
    let world = World::new().await;
    let log = Log::open(&world, BOUNDS).await;
    log.put(&batch(&[(0, "old"), (2, "old")])).await;
    log.lose("").await;
    assert!(matches!(log.logs.open(&opening(log.id), TOKEN).await.unwrap(), Opened::New { .. }));
    log.put(&batch(&[(0, "a"), (1, "b")])).await;
    assert_eq!(log.texts().await, ["a", "b"]);
}

#[tokio::test]
async fn chunks_come_in_any_order_and_more_than_once_and_are_there_once() {
    let world = World::new().await;
    let log = Log::open(&world, BOUNDS).await;
    let receipt = log.put(&batch(&[(2, "c"), (1, "b"), (2, "other")])).await;
    assert_eq!((receipt.count, receipt.accepted, receipt.duplicates, receipt.parked), (0, 2, 1, 2));
    assert_eq!((receipt.state, receipt.sealed), (State::Streaming, false));
    assert!(log.texts().await.is_empty());
    // One is parked, one comes again in the same batch, and one fills the hole.
    let receipt = log.put(&batch(&[(4, "e"), (1, "other"), (0, "a"), (0, "other")])).await;
    assert_eq!((receipt.count, receipt.accepted, receipt.duplicates, receipt.parked), (3, 2, 2, 1));
    // All that is there already, parked or not.
    let receipt = log.put(&batch(&[(0, "x"), (4, "x"), (2, "x")])).await;
    assert_eq!((receipt.count, receipt.accepted, receipt.duplicates, receipt.parked), (3, 0, 3, 1));
    let receipt = log.put(&batch(&[(3, "d")])).await;
    assert_eq!((receipt.count, receipt.accepted, receipt.duplicates, receipt.parked), (5, 1, 0, 0));
    assert_eq!(log.texts().await, ["a", "b", "c", "d", "e"]);
    assert_eq!(log.look().await.bytes, 5);
}

#[tokio::test]
async fn a_chunk_may_be_ahead_as_far_as_the_window_and_no_further() {
    let world = World::new().await;
    let log = Log::open(&world, BOUNDS).await;
    assert_eq!(log.refused(&batch(&[(5, "f")])).await, NotAppended::Window);
    assert_eq!(log.put(&batch(&[(4, "e")])).await.parked, 1);
    // What the same batch brings does not move the window: another order would be another outcome.
    assert_eq!(log.refused(&batch(&[(0, "a"), (5, "f")])).await, NotAppended::Window);
    log.put(&batch(&[(0, "a")])).await;
    assert_eq!(log.put(&batch(&[(5, "f")])).await.parked, 2);
    assert_eq!(log.refused(&batch(&[(6, "g")])).await, NotAppended::Window);
}

#[tokio::test]
async fn the_last_chunk_is_one_and_the_same_and_none_comes_after_it() {
    let world = World::new().await;
    let log = Log::open(&world, BOUNDS).await;
    log.put(&batch(&[(0, "a"), (3, "d")])).await;
    // Later ones are there, parked; or the batch has one.
    assert_eq!(log.refused(&final_batch(&[], 2)).await, NotAppended::FinalConflict);
    assert_eq!(log.refused(&final_batch(&[(4, "e")], 3)).await, NotAppended::BeyondFinal);
    assert!(!log.put(&final_batch(&[], 4)).await.sealed);
    assert_eq!(log.refused(&final_batch(&[], 5)).await, NotAppended::FinalConflict);
    assert_eq!(log.refused(&final_batch(&[], 3)).await, NotAppended::FinalConflict);
    assert_eq!(log.refused(&batch(&[(1, "b"), (5, "f")])).await, NotAppended::BeyondFinal);
    assert!(!log.put(&final_batch(&[(1, "b")], 4)).await.sealed);
    assert!(log.put(&batch(&[(2, "c"), (4, "e")])).await.sealed);
    assert_eq!(log.texts().await.concat(), "abcde");
}

#[tokio::test]
async fn a_session_has_no_more_chunks_and_bytes_than_it_may_and_parked_ones_count() {
    let world = World::new().await;
    let log = Log::open(&world, Bounds { chunks: 4, bytes: 10, window: 100, ..BOUNDS }).await;
    assert_eq!(log.refused(&batch(&[(4, "e")])).await, NotAppended::TooMany);
    assert_eq!(log.refused(&final_batch(&[(0, "a")], 4)).await, NotAppended::TooMany);
    log.put(&batch(&[(3, "123456")])).await;
    // All of it or nothing: the first would fit.
    assert_eq!(log.refused(&batch(&[(0, "1234"), (1, "5")])).await, NotAppended::TooLarge);
    // What is there already takes nothing.
    assert_eq!(log.put(&batch(&[(3, "12345678901")])).await.duplicates, 1);
    assert!(log.put(&final_batch(&[(0, "é"), (1, "é"), (2, "")], 3)).await.sealed);
    assert_eq!(log.look().await.bytes, 10);
}

#[tokio::test]
async fn when_all_is_there_the_session_is_sealed_and_says_so_to_who_asks_again() {
    let world = World::new().await;
    let log = Log::open(&world, BOUNDS).await;
    log.put(&batch(&[(1, "b"), (2, "c")])).await;
    let all = Batch { tokens: Some(7), ..final_batch(&[(0, "a")], 2) };
    let receipt = log.put(&all).await;
    assert_eq!((receipt.sealed, receipt.state, receipt.count, receipt.accepted), (true, State::Streaming, 3, 1));
    let sealed = log.dump().await;
    let again = log.put(&all).await;
    assert_eq!((again.sealed, again.count, again.accepted, again.duplicates), (true, 3, 0, 1));
    assert_eq!(log.put(&batch(&[])).await, rowcast::reply::Receipt { duplicates: 0, ..again });
    assert_eq!(log.dump().await, sealed, "nothing changes any more");
    assert_eq!(log.refused(&batch(&[(3, "d")])).await, NotAppended::Closed);
    assert_eq!(log.refused(&final_batch(&[], 3)).await, NotAppended::Closed);
    assert_eq!(log.logs.rotate(log.id, "other").await.unwrap(), Err(NotRotated::Closed));
    let held = log.look().await;
    assert_eq!((held.sealed, held.tokens, held.last, held.parked), (true, Some(7), Some(2), 0));

    assert_eq!(log.logs.complete(log.id, Some(5)).await.unwrap(), Step::Over { state: State::Completed, now: true });
    let again = log.put(&all).await;
    assert_eq!((again.state, again.sealed, again.duplicates), (State::Completed, false, 1));
    assert_eq!(log.refused(&batch(&[(3, "d")])).await, NotAppended::Closed);
    assert_eq!(log.look().await.message, Some(5));
}

#[tokio::test]
async fn the_last_chunk_may_be_named_alone_before_and_after_it_is_there() {
    let world = World::new().await;
    let late = Log::open(&world, BOUNDS).await;
    late.put(&batch(&[(0, "a"), (1, "b")])).await;
    assert!(late.put(&final_batch(&[], 1)).await.sealed);
    let early = Log::open(&world, BOUNDS).await;
    let receipt = early.put(&final_batch(&[], 1)).await;
    assert_eq!((receipt.sealed, receipt.state), (false, State::Created));
    assert!(early.put(&batch(&[(1, "b"), (0, "a")])).await.sealed);
    assert_eq!(early.texts().await, late.texts().await);
}

#[tokio::test]
async fn an_empty_batch_is_a_sign_of_life() {
    let world = World::new().await;
    let log = Log::open(&world, BOUNDS).await;
    let due = log.due().await.unwrap();
    crate::support::until("the deadline moves", async || {
        let receipt = log.put(&batch(&[])).await;
        assert_eq!((receipt.state, receipt.count), (State::Created, 0));
        log.due().await.unwrap() > due
    })
    .await;
}

#[tokio::test]
async fn another_producer_has_another_token_and_the_old_one_is_worth_nothing() {
    let world = World::new().await;
    let log = Log::open(&world, BOUNDS).await;
    log.put(&batch(&[(0, "a")])).await;
    assert_eq!(log.logs.rotate(log.id, "other").await.unwrap(), Ok((1, State::Streaming)));
    for what in [batch(&[]), batch(&[(0, "a")]), final_batch(&[(1, "b")], 1)] {
        assert_eq!(log.refused(&what).await, NotAppended::Fenced);
    }
    let other = log.logs.append(log.id, "other", &final_batch(&[(1, "b")], 1)).await.unwrap().unwrap();
    assert!(other.sealed);
    assert_eq!(log.refused(&batch(&[(1, "b")])).await, NotAppended::Fenced);
}

#[tokio::test]
async fn what_was_failed_or_cancelled_takes_nothing_and_stays_so() {
    let world = World::new().await;
    let logs = [(); 4].map(async |()| Log::open(&world, BOUNDS).await);
    let [failed, cancelled, kept, empty] = futures_util::future::join_all(logs).await.try_into().ok().unwrap();
    for log in [&failed, &cancelled, &kept] {
        log.put(&batch(&[(0, "é"), (2, "parked")])).await;
    }
    let over = |state, now| Step::Over { state, now };
    let fail = failed.logs.fail(failed.id, Reason::UpstreamError, "kind").await.unwrap();
    assert_eq!(fail, over(State::Failed, true));
    assert_eq!(cancelled.logs.cancel(cancelled.id, "who", false).await.unwrap(), over(State::Cancelled, true));
    assert_eq!(empty.logs.cancel(empty.id, "who", true).await.unwrap(), over(State::Cancelled, true));
    assert_eq!(kept.logs.cancel(kept.id, "who", true).await.unwrap(), Step::Sealed);
    // Until it is written it is whole; but its producer hears at once that nobody wants more.
    let held = kept.look().await;
    assert_eq!((held.sealed, held.last, held.parked, held.bytes), (true, Some(0), 0, 2));
    assert_eq!(kept.logs.cancel(kept.id, "else", false).await.unwrap(), Step::Sealed);
    assert_eq!(kept.logs.fail(kept.id, Reason::UpstreamError, "").await.unwrap(), Step::Sealed);
    assert_eq!(kept.refused(&batch(&[])).await, NotAppended::Closed);
    assert_eq!(kept.texts().await, ["é"]);
    assert_eq!(kept.logs.complete(kept.id, Some(3)).await.unwrap(), over(State::Cancelled, true));
    for log in [&failed, &cancelled, &kept, &empty] {
        let (state, before) = (log.look().await.state, log.dump().await);
        for batch in [batch(&[]), batch(&[(0, "é")]), final_batch(&[(1, "b")], 1)] {
            assert_eq!(log.refused(&batch).await, NotAppended::Closed);
        }
        assert_eq!(log.logs.cancel(log.id, "else", true).await.unwrap(), over(state, false));
        assert_eq!(log.logs.fail(log.id, Reason::Empty, "").await.unwrap(), over(state, false));
        assert_eq!(log.logs.complete(log.id, Some(9)).await.unwrap(), over(state, false));
        assert_eq!(log.logs.reap(log.id, true).await.unwrap(), over(state, false));
        assert_eq!(log.dump().await, before);
    }
    let (held, by) = (failed.look().await, kept.look().await);
    assert_eq!((held.reason, held.kind.as_deref()), (Some(Reason::UpstreamError), Some("kind")));
    assert_eq!((by.by.as_deref(), by.message), (Some("who"), Some(3)));
}

#[tokio::test]
async fn each_part_is_kept_as_long_as_it_may_be_needed_and_no_deadline_outlives_its_session() {
    let world = World::new().await;
    let [completed, failed, persist] =
        [Log::open(&world, BOUNDS).await, Log::open(&world, BOUNDS).await, Log::open(&world, BOUNDS).await];
    let parts = |parts: &[(&str, u64)]| parts.iter().map(|(part, left)| ((*part).to_owned(), *left)).collect();
    assert_eq!(completed.parts().await, parts(&[("", 600)]));
    for log in [&completed, &failed, &persist] {
        log.put(&batch(&[(0, "a"), (2, "c")])).await;
        assert_eq!(log.parts().await, parts(&[("", 600), (":log", 600), (":parked", 600)]));
    }
    for log in [&completed, &persist] {
        log.put(&final_batch(&[(1, "b")], 2)).await;
        assert_eq!(log.parts().await, parts(&[("", 4000), (":log", 4000)]));
    }
    failed.logs.fail(failed.id, Reason::NodeShutdown, "").await.unwrap();
    completed.logs.complete(completed.id, None).await.unwrap();
    persist.logs.fail(persist.id, Reason::PersistFailed, "").await.unwrap();
    assert_eq!(completed.parts().await, parts(&[("", 2000)]));
    assert_eq!(failed.parts().await, parts(&[("", 3000)]));
    assert_eq!(persist.parts().await, parts(&[("", 3000), (":log", 3000)]));
    assert_eq!(persist.texts().await.concat(), "abc");
    assert!(!completed.dump().await.contains_key("sessions"));
}

#[tokio::test]
async fn a_cancelled_session_is_kept_like_one_that_was_sealed_until_it_is_written() {
    let world = World::new().await;
    let log = Log::open(&world, BOUNDS).await;
    log.put(&batch(&[(0, "a"), (2, "c")])).await;
    log.logs.cancel(log.id, "", true).await.unwrap();
    let left: Vec<_> = log.parts().await.into_iter().collect();
    assert_eq!(left, [(String::new(), 4000), (":log".to_owned(), 4000)]);
    assert!(log.due().await.is_some());
    log.logs.complete(log.id, Some(1)).await.unwrap();
    assert_eq!(log.parts().await.into_iter().collect::<Vec<_>>(), [(String::new(), 3000)]);
    assert_eq!(log.due().await, None);
}

#[tokio::test]
async fn numbers_are_exact_as_far_as_a_script_can_count() {
    const MOST: u64 = 1 << 53;
    let world = World::new().await;
    let far = Bounds { chunks: u64::MAX, window: u64::MAX, age: Duration::MAX, ..BOUNDS };
    let log = Log::open(&world, far).await;
    let chunks = [(MOST - 1, "last"), (MOST - 2, "x"), (1_000_000_000_000_000, "y"), (100_000_000_000_000_001, "")];
    assert_eq!(log.refused(&batch(&chunks)).await, NotAppended::TooMany);
    for beyond in [MOST, MOST + 1, u64::MAX] {
        assert_eq!(log.refused(&batch(&[(beyond, "")])).await, NotAppended::TooMany);
        assert_eq!(log.refused(&final_batch(&[], beyond)).await, NotAppended::TooMany);
    }
    assert_eq!(log.put(&batch(&chunks[..3])).await.parked, 3);
    assert_eq!(log.put(&batch(&chunks[..3])).await.duplicates, 3);
    assert_eq!(log.refused(&final_batch(&[], MOST - 2)).await, NotAppended::FinalConflict);
    log.put(&final_batch(&[], MOST - 1)).await;
    assert_eq!(log.look().await.last, Some(MOST - 1));
}

#[tokio::test]
async fn a_batch_may_be_as_large_as_a_session() {
    const CHUNKS: u64 = 20_000;
    let world = World::new().await;
    let bounds = Bounds { chunks: CHUNKS, bytes: 1 << 20, window: CHUNKS, ..BOUNDS };
    let log = Log::open(&world, bounds).await;
    let chunks: Vec<_> = (0..CHUNKS).map(|number| (number, format!("{number} "))).collect();
    let text: String = chunks.iter().map(|(_, text)| text.as_str()).collect();
    let parked = Batch { chunks: chunks[1..].iter().rev().cloned().collect(), last: Some(CHUNKS - 1), tokens: None };
    assert_eq!(log.put(&parked).await.parked, CHUNKS - 1);
    let receipt = log.put(&Batch { chunks, ..Batch::default() }).await;
    assert_eq!((receipt.sealed, receipt.count, receipt.duplicates), (true, CHUNKS, CHUNKS - 1));
    assert_eq!(log.texts().await.concat(), text);
}

#[tokio::test]
async fn every_character_comes_back_as_it_was() {
    let world = World::new().await;
    let bounds = Bounds { bytes: 8 << 20, window: 1000, ..BOUNDS };
    let log = Log::open(&world, bounds).await;
    let all: Vec<char> = ('\0'..=char::MAX).collect();
    let chunks: Vec<_> = all.chunks(5000).map(|chars| chars.iter().collect::<String>()).zip(0..).collect();
    let text: String = all.into_iter().collect();
    let last = chunks.len() as u64 - 1;
    let chunks = chunks.into_iter().rev().map(|(text, number)| (number, text)).collect();
    assert!(log.put(&Batch { chunks, last: Some(last), tokens: None }).await.sealed);
    assert!(log.texts().await.concat() == text);
    assert_eq!(log.look().await.bytes, text.len() as u64);
}

#[tokio::test]
async fn a_connection_that_was_lost_and_scripts_that_were_forgotten_cost_no_answer() {
    let world = World::new().await;
    let link = Link::to(&world.redis_url).await;
    let log = Log::open(&world, BOUNDS).await;
    let through = logs::logs(&world, link.url(), BOUNDS);
    for number in 0..4 {
        through.append(log.id, TOKEN, &batch(&[(number, "a")])).await.unwrap().unwrap();
        link.cut();
        link.mend();
    }
    through.append(log.id, TOKEN, &final_batch(&[], 3)).await.unwrap().unwrap();
    link.cut();
    link.mend();
    let done = through.complete(log.id, Some(1)).await.unwrap();
    assert_eq!(done, Step::Over { state: State::Completed, now: true });
}
