//! Pages of the past: what a subscriber reads from the log when it is behind the ring.
//!
//! Ten thousand clients that come back at once want nearly the same rows. Positions are dense and never change, so a
//! page that begins at a multiple of the page size is the same for all of them: it is loaded once (whoever comes
//! meanwhile waits for that load) and kept while it is among the most recent ones. A page that the head has not yet
//! filled is shared while it loads and not kept.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::{OnceCell, Semaphore};

use crate::{
    change::{Extent, History, PastUnavailable, Position},
    frame::Frame,
};

/// How the past is read.
#[derive(Debug, Clone, Copy)]
pub struct PageOptions {
    /// Positions in a page.
    pub positions: usize,
    /// Bytes of pages kept for the next one who asks; the newest is kept, whatever its size.
    pub kept_bytes: usize,
    /// Pages loaded at the same time.
    pub loads: usize,
}

/// Consecutive frames of the past.
#[derive(Debug)]
pub(super) struct Page {
    /// The log when the page was read.
    pub(super) extent: Extent,
    /// The last position that the page tells about.
    pub(super) end: Position,
    /// The frames, without a hole.
    pub(super) frames: Vec<Frame>,
}

impl Page {
    fn bytes(&self) -> usize {
        self.frames.iter().map(|frame| frame.bytes.len()).sum()
    }
}

type Cell = Arc<OnceCell<Arc<Page>>>;

/// The pages that were read last.
pub(super) struct Pages {
    history: Arc<dyn History>,
    options: PageOptions,
    loads: Semaphore,
    /// How often the log was read.
    reads: AtomicU64,
    /// Newest first, by the position before their first. Held only to look up and to rearrange, never across an await.
    kept: Mutex<VecDeque<(Position, Cell)>>,
}

impl Pages {
    pub(super) fn new(history: Arc<dyn History>, options: PageOptions) -> Self {
        let loads = Semaphore::new(options.loads);
        Self { history, options, loads, reads: AtomicU64::new(0), kept: Mutex::default() }
    }

    pub(super) fn history(&self) -> &dyn History {
        &*self.history
    }

    /// How often the log was read for a page.
    pub(super) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// The page that tells what comes after `cursor`, if the log still has it.
    pub(super) async fn after(&self, cursor: Position) -> Result<Arc<Page>, PastUnavailable> {
        let size = self.options.positions as Position;
        let mut start = cursor - cursor % size;
        let end = start + size;
        let mut again = None;
        loop {
            let page = self.page(start, end).await?;
            let floor = page.extent.floor;
            if start < floor && floor <= cursor {
                // The log was trimmed somewhere in this page, before the cursor.
                start = floor;
            } else if page.end > start && page.end <= cursor && page.end < page.extent.head {
                // Large changes make short pages: the next one begins where this one ends, for all readers.
                start = page.end;
            } else if page.extent.head <= cursor && again.replace(start) != Some(start) {
                // Read for someone who came before the feed was where the cursor is: once more, for all who wait.
            } else {
                return Ok(page);
            }
        }
    }

    /// The page from `start`, up to `end` or less.
    async fn page(&self, start: Position, end: Position) -> Result<Arc<Page>, PastUnavailable> {
        let cell = self.cell(start);
        let loaded = cell.get_or_try_init(|| self.load(start, end)).await.map(Arc::clone);
        let lasting =
            loaded.as_ref().is_ok_and(|page| page.end == end || start < page.end && page.end < page.extent.head);
        if !lasting {
            self.forget(&cell);
        }
        self.trim();
        loaded
    }

    /// Forgets everything, since positions mean something else now.
    pub(super) fn clear(&self) {
        self.kept().clear();
    }

    async fn load(&self, start: Position, end: Position) -> Result<Arc<Page>, PastUnavailable> {
        // The semaphore is never closed.
        let _permit = self.loads.acquire().await;
        self.reads.fetch_add(1, Ordering::Relaxed);
        let past = self.history.past(start, (end - start) as usize).await?;
        let frames: Vec<Frame> = past.changes.into_iter().map(Frame::new).collect();
        let end = frames.last().map_or(start, |frame| frame.event_id.position);
        Ok(Arc::new(Page { extent: past.extent, end, frames }))
    }

    fn cell(&self, start: Position) -> Cell {
        let mut kept = self.kept();
        if let Some((_, cell)) = kept.iter().find(|(at, _)| *at == start) {
            return Arc::clone(cell);
        }
        let cell = Cell::default();
        kept.push_front((start, Arc::clone(&cell)));
        cell
    }

    fn forget(&self, cell: &Cell) {
        self.kept().retain(|(_, other)| !Arc::ptr_eq(other, cell));
    }

    fn trim(&self) {
        let mut kept = self.kept();
        let bytes = |(_, cell): &(Position, Cell)| cell.get().map_or(0, |page| page.bytes());
        let mut total: usize = kept.iter().map(bytes).sum();
        while total > self.options.kept_bytes && kept.len() > 1 {
            total -= kept.pop_back().as_ref().map_or(0, bytes);
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, VecDeque<(Position, Cell)>> {
        // No code panics under this lock; if it did, the deque would still be whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "pages_tests.rs"]
mod tests;
