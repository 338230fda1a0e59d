//! However many come back at once, each page of the past is read once.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{BoxFuture, join_all};

use super::*;
use crate::change::{EventId, Operation, Past, Published};

/// A log in memory that counts how often it is read, and how often at the same time.
struct Log {
    extent: Extent,
    reads: AtomicUsize,
    reading: AtomicUsize,
    most: AtomicUsize,
    broken: std::sync::atomic::AtomicBool,
    /// The most changes that one reading gives, as if they were large.
    most_changes: usize,
}

impl Log {
    fn up_to(head: Position) -> Arc<Self> {
        Self::of(Extent { generation: 1, floor: 0, head }, usize::MAX)
    }

    fn of(extent: Extent, most_changes: usize) -> Arc<Self> {
        let (reads, reading, most) = Default::default();
        Arc::new(Self { extent, reads, reading, most, broken: false.into(), most_changes })
    }
}

impl History for Log {
    fn extent(&self) -> BoxFuture<'_, Result<Extent, PastUnavailable>> {
        Box::pin(async { Ok(self.extent) })
    }

    fn past(&self, after: Position, limit: usize) -> BoxFuture<'_, Result<Past, PastUnavailable>> {
        Box::pin(async move {
            self.reads.fetch_add(1, Ordering::SeqCst);
            self.most.fetch_max(self.reading.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            self.reading.fetch_sub(1, Ordering::SeqCst);
            if self.broken.load(Ordering::SeqCst) {
                return Err(PastUnavailable("away".into()));
            }
            if after < self.extent.floor {
                return Ok(Past { extent: self.extent, changes: Vec::new() });
            }
            let limit = limit.min(self.most_changes) as Position;
            let positions = after + 1..=self.extent.head.min(after + limit);
            let change = |position| Published {
                event_id: EventId::new(1, position),
                operation: Operation::Insert,
                room: None,
                captured: None,
                json: "{}".to_owned(),
            };
            Ok(Past { extent: self.extent, changes: positions.map(change).collect() })
        })
    }
}

const OPTIONS: PageOptions = PageOptions { positions: 100, kept_bytes: 1 << 20, loads: 2 };

#[tokio::test]
async fn ten_thousand_that_come_back_at_once_read_each_page_once() {
    let log = Log::up_to(1_000);
    let pages = Pages::new(log.clone(), OPTIONS);
    let read = join_all((0..10_000).map(|client| pages.after(client % 1_000))).await;
    for (client, page) in read.into_iter().enumerate() {
        let (cursor, page) = (client as Position % 1_000, page.unwrap());
        assert!(page.frames.iter().any(|frame| frame.event_id.position == cursor + 1));
    }
    assert_eq!(log.reads.load(Ordering::SeqCst), 10);
    assert_eq!(log.most.load(Ordering::SeqCst), OPTIONS.loads, "no more at a time than allowed, and no fewer");
}

#[tokio::test]
async fn a_page_that_the_head_has_not_filled_is_read_again() {
    let log = Log::up_to(150);
    let pages = Pages::new(log.clone(), OPTIONS);
    assert_eq!(pages.after(120).await.unwrap().end, 150);
    assert_eq!(pages.after(120).await.unwrap().end, 150);
    assert_eq!(log.reads.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn pages_are_kept_up_to_their_bound() {
    let log = Log::up_to(1_000);
    let one_page = OPTIONS.positions * Frame::new(log.past(0, 1).await.unwrap().changes.remove(0)).bytes.len();
    let pages = Pages::new(log.clone(), PageOptions { kept_bytes: 3 * one_page, ..OPTIONS });
    for start in (0..1_000).step_by(100) {
        pages.after(start).await.unwrap();
    }
    let before = log.reads.load(Ordering::SeqCst);
    assert!(pages.kept().len() <= 3);
    pages.after(950).await.unwrap();
    assert_eq!(log.reads.load(Ordering::SeqCst), before, "the last page is kept");
    pages.after(0).await.unwrap();
    assert_eq!(log.reads.load(Ordering::SeqCst), before + 1, "the first one is not");
}

#[tokio::test]
async fn a_failure_is_not_kept() {
    let log = Log::up_to(1_000);
    let pages = Pages::new(log.clone(), OPTIONS);
    log.broken.store(true, Ordering::SeqCst);
    assert!(pages.after(7).await.is_err());
    log.broken.store(false, Ordering::SeqCst);
    assert_eq!(pages.after(7).await.unwrap().end, 100);
}

#[tokio::test]
async fn large_changes_make_short_pages_that_are_shared_too() {
    let log = Log::of(Extent { generation: 1, floor: 0, head: 1_000 }, 30);
    let pages = Pages::new(log.clone(), OPTIONS);
    let ends: Vec<_> = join_all([0, 29, 30, 65, 99].map(|cursor| pages.after(cursor))).await;
    let ends: Vec<_> = ends.into_iter().map(|page| page.unwrap().end).collect();
    assert_eq!(ends, [30, 30, 60, 90, 100]);
    assert_eq!(log.reads.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_page_that_is_half_trimmed_serves_who_is_above_the_floor() {
    let log = Log::of(Extent { generation: 1, floor: 250, head: 1_000 }, usize::MAX);
    let pages = Pages::new(log.clone(), OPTIONS);
    let page = pages.after(260).await.unwrap();
    assert_eq!((page.frames[0].event_id.position, page.end), (251, 300));
    assert!(pages.after(249).await.unwrap().frames.is_empty(), "what is below the floor cannot be had");
}

#[tokio::test]
async fn reading_on_from_anywhere_comes_to_the_head() {
    for (floor, head, most) in [(0, 0, 7), (0, 133, 7), (101, 233, 100), (150, 190, 1), (99, 101, 3)] {
        let log = Log::of(Extent { generation: 1, floor, head }, most);
        let pages = Pages::new(log, OPTIONS);
        for start in (floor..head).step_by(11) {
            let mut cursor = start;
            while cursor < head {
                let page = pages.after(cursor).await.unwrap();
                let next = page.frames.iter().find(|frame| frame.event_id.position > cursor);
                assert_eq!(next.map(|frame| frame.event_id.position), Some(cursor + 1));
                cursor = page.end;
            }
        }
    }
}
