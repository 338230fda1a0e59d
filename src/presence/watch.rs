//! Who watches a room, and the one on this node that reads for all of them.
//!
//! The reader begins with the first watcher and ends with the last. Whether it ends, and whether a watcher finds it
//! still there, is decided under the lock of the map.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};

use super::{
    Presence,
    board::{Board, Place},
    frame::Told,
};
use crate::{
    metrics::METRICS,
    redis::{bells::Bell, presence::bell},
};

/// How long to wait before a room is read again that could not be.
const RETRY: Duration = Duration::from_millis(500);

/// How often a room is looked at while no bell can be heard.
const DEAF: Duration = Duration::from_secs(2);

/// How long the number of users is gathered at least, where only that is told.
const COUNTED: Duration = Duration::from_secs(1);

/// A room that is watched on this node.
pub(super) struct Watched {
    room: Arc<str>,
    /// Never held across an await, and taken after that of the map.
    board: Mutex<Board>,
    /// The last watcher has gone.
    deserted: Notify,
}

/// One who is told who is in a room.
pub struct Watch {
    presence: Presence,
    watched: Arc<Watched>,
    place: Place,
}

impl Watch {
    /// What comes next: first who is there, once that is known. Nothing is lost if it is given up.
    pub async fn next(&mut self) -> Arc<Told> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The same, for who waits for several things and needs no runtime.
    pub fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Arc<Told>> {
        self.watched.board().turn(&mut self.place, cx)
    }

    /// The room.
    pub fn room(&self) -> &Arc<str> {
        &self.watched.room
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.presence.0.watchers.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        let mut board = self.watched.board();
        board.leave(&self.place);
        if board.watchers() == 0 {
            self.watched.deserted.notify_one();
        }
    }
}

impl Watched {
    pub(super) fn new(room: &str, most: usize) -> Self {
        let room: Arc<str> = room.into();
        Self { board: Mutex::new(Board::new(Arc::clone(&room), most)), room, deserted: Notify::new() }
    }

    pub(super) fn room(&self) -> &Arc<str> {
        &self.room
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        // No code panics under this lock.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Presence {
    /// One more who watches, of those that read for this room.
    pub(super) fn sit(&self, watched: Arc<Watched>) -> Watch {
        self.0.watchers.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let place = watched.board().sit();
        Watch { presence: self.clone(), watched, place }
    }

    /// Reads a room for all who watch it, as long as anybody does.
    pub(super) async fn follow(self, watched: Arc<Watched>) {
        let mut bell = self.0.bells.listen(bell(&watched.room));
        let mut next = Instant::now();
        loop {
            tokio::select! {
                () = self.read_on(&watched, &mut bell, &mut next) => {}
                () = watched.deserted.notified() => {}
            }
            let mut all = self.watched();
            // Who reloads a page may be back already.
            if watched.board().watchers() == 0 {
                all.remove(&watched.room);
                return;
            }
        }
    }

    /// Reads a room whenever its bell rings, but not before `next`; for ever.
    async fn read_on(&self, watched: &Watched, bell: &mut Bell, next: &mut Instant) {
        loop {
            sleep_until(*next).await;
            bell.hush();
            let wait = Box::pin(self.read(watched)).await;
            let pace = if watched.board().roster.is_counted() { COUNTED } else { self.0.options.pace };
            *next = Instant::now() + pace;
            let _ = timeout(wait, bell.rung()).await;
        }
    }

    /// Reads a room, and tells its watchers what has changed. How long to wait for a bell, then.
    async fn read(&self, watched: &Watched) -> Duration {
        let options = &self.0.options;
        // It is never closed.
        let _permit = self.0.reads.acquire().await;
        METRICS.presence.reads.inc();
        let reading = self.0.rooms.read(&watched.room, options.listed).await;
        let mut board = watched.board();
        let reading = match reading {
            Ok(reading) => reading,
            Err(error) => {
                tracing::debug!(room = &*watched.room, %error, "who is in a room cannot be read");
                board.roster.miss();
                return RETRY;
            }
        };
        let changes = board.roster.learn(reading, options.settle(), options.buffer);
        let doubt = board.roster.doubt().map(|until| until.saturating_duration_since(Instant::now()));
        let woken = board.tell(changes);
        drop(board);
        woken.into_iter().for_each(std::task::Waker::wake);
        let poll = if self.0.bells.can_be_heard() { options.beat() } else { options.beat().min(DEAF) };
        doubt.map_or(poll, |doubt| poll.min(doubt))
    }
}
