//! The follower: reads a session on behalf of all its readers on this node.
//!
//! There is one for each session that is read here, so the log is read once for any number of readers, and what is read
//! is rendered once. It looks when the bell rings, and now and then when it does not. A bell that rings while it looks
//! makes it look once more, however often it rings. While Redis or PostgreSQL is away it tries again, and its readers
//! are told that their connections live.
//!
//! It ends when it has said how the session ended, or when its last reader is gone. Who comes in that moment finds it
//! still there, or finds none and starts another: both are decided under the lock of the map.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{
    runtime::Handle,
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

use super::{
    SessionError, Sessions,
    board::{Board, Place, Turn},
    frame,
    tail::Tail,
};
use crate::{
    metrics::METRICS,
    redis::{bells::Bell, session::bell},
    reply::{ChunkId, Session},
};

/// How often readers are noted where all nodes see them, and for how long that is believed.
const NOTE: Duration = Duration::from_secs(10);
const BELIEVED: Duration = Duration::from_secs(30);

/// How long changes of their number are gathered.
const GATHER: Duration = Duration::from_millis(200);

/// What an event has beside its text, about: to guess how many fit in a tail.
const AROUND: u64 = 160;

/// A session that is read on this node.
pub(super) struct Follower {
    sessions: Sessions,
    /// As it was when its first reader came.
    session: Session,
    runtime: Handle,
    /// Never held across an await, and taken after that of the map.
    board: Mutex<Board>,
    /// How many readers there are.
    readers: watch::Sender<usize>,
}

/// What a look at the log has shown.
enum Look {
    More,
    Nothing,
    Over(Bytes),
}

impl Follower {
    /// A follower that runs on the current runtime, once it is [run](Self::run).
    pub(super) fn new(sessions: Sessions, session: Session) -> Self {
        let tail = Tail::new(first(&session, sessions.0.options.tail_bytes), sessions.0.options.tail_bytes);
        let (readers, _) = watch::channel(0);
        Self { sessions, session, runtime: Handle::current(), board: Mutex::new(Board::new(tail)), readers }
    }

    /// Reads on, until the session is over or nobody reads it here any more.
    pub(super) async fn run(self: Arc<Self>) {
        let _lost = Lost(&self);
        let mut bell = self.sessions.0.bells.listen(bell(self.session.id));
        loop {
            let ending = tokio::select! {
                ending = self.read_on(&mut bell) => Some(ending),
                () = self.until(|readers| readers == 0) => None,
                () = self.keep_time() => None,
                () = self.note() => None,
            };
            if let Some(ending) = ending {
                self.end(ending);
                return self.note_readers(0).await;
            }
            // Who reloads a page is back at once.
            tokio::select! {
                () = self.until(|readers| readers > 0) => {}
                () = self.note_readers(0) => if self.is_deserted() { return },
            }
        }
    }

    async fn read_on(&self, bell: &mut Bell) -> Bytes {
        loop {
            bell.hush();
            // In a box: most of the time nothing is read.
            match Box::pin(self.look()).await {
                Ok(Look::More) => continue,
                Ok(Look::Over(ending)) => return ending,
                Ok(Look::Nothing) => {}
                Err(error) => tracing::debug!(session = %self.session.id, %error, "a session cannot be read on"),
            }
            let _ = timeout(self.sessions.0.options.poll, bell.rung()).await;
        }
    }

    async fn look(&self) -> Result<Look, SessionError> {
        let (id, from) = (self.session.id, self.board().next());
        METRICS.sessions.reads.inc();
        let options = &self.sessions.0.options;
        // Not the whole tail at once: who is at the head would be behind it before it has its turn.
        let page = self.sessions.0.logs.read(id, from, options.page_bytes.min(options.tail_bytes / 2)).await?;
        let Some(state) = page.state else { return Ok(Look::Over(self.vanished(from).await?)) };
        let frames: Vec<Bytes> = frame::chunks(id, from, &page).collect();
        let more = !frames.is_empty() && from + (frames.len() as u64) < page.count;
        self.tell(|board| board.looked(page.count, frames));
        if more {
            return Ok(Look::More);
        }
        if !state.is_over() {
            return Ok(Look::Nothing);
        }
        Ok(Look::Over(match self.sessions.0.logs.look(id).await? {
            Some(session) if session.state.is_over() => self.sessions.ending(&session).await?,
            _ => self.vanished(from).await?,
        }))
    }

    /// Redis knows nothing of the session any more: perhaps there is its message.
    async fn vanished(&self, count: u64) -> Result<Bytes, SessionError> {
        let message = self.sessions.message(&self.session).await?;
        let id = self.session.id;
        Ok(message.map_or_else(|| frame::expired(id, count), |message| frame::written(id, &message)))
    }

    /// Says what time it is to readers that wait; for ever.
    async fn keep_time(&self) {
        let keep_alive = self.sessions.0.options.keep_alive;
        let mut readers = self.readers.subscribe();
        loop {
            let due = self.board().due(keep_alive);
            // One may have come whose time is up earlier.
            let _ = timeout_at(due, readers.changed()).await;
            self.tell(|board| board.tick(keep_alive));
        }
    }

    /// Notes the readers where all nodes see them; for ever.
    async fn note(&self) {
        let mut readers = self.readers.subscribe();
        loop {
            let count = *readers.borrow_and_update();
            self.note_readers(count).await;
            if timeout(NOTE, readers.changed()).await.is_ok() {
                tokio::time::sleep(GATHER).await;
            }
        }
    }

    async fn note_readers(&self, count: usize) {
        let Sessions(inner) = &self.sessions;
        let noted = inner.logs.note_readers(self.session.id, &inner.node, count as u64, BELIEVED);
        // It is noted again, or else forgotten.
        let _ = Box::pin(noted).await;
    }

    async fn until(&self, holds: impl Fn(usize) -> bool) {
        // The sender is our own.
        let _ = self.readers.subscribe().wait_for(|readers| holds(*readers)).await;
    }

    fn end(&self, ending: Bytes) {
        // Nobody comes any more to whom it would have to be told.
        self.sessions.followers().remove(&self.session.id);
        self.tell(|board| board.end(ending));
    }

    /// Whether nobody reads any more; then nobody finds it any more either.
    fn is_deserted(&self) -> bool {
        let mut followers = self.sessions.followers();
        let deserted = self.board().readers() == 0;
        if deserted {
            followers.remove(&self.session.id);
        }
        deserted
    }

    /// A seat for a reader.
    pub(super) fn sit(&self, next: ChunkId, until: Option<Instant>) -> Place {
        self.change(|board| board.sit(next, until))
    }

    /// The reader is gone.
    pub(super) fn leave(&self, place: &Place) {
        self.change(|board| board.leave(place));
    }

    fn change<T>(&self, change: impl FnOnce(&mut Board) -> T) -> T {
        let mut board = self.board();
        let changed = change(&mut board);
        self.readers.send_replace(board.readers());
        changed
    }

    /// What a reader does next.
    pub(super) fn turn(&self, place: &mut Place, cx: &mut Context<'_>) -> Turn {
        self.board().turn(place, self.sessions.0.options.page_bytes, cx)
    }

    /// Sends away a part of the readers, or all.
    pub(super) fn bye(&self, part: Option<usize>) {
        self.tell(|board| board.bye(part));
    }

    /// Puts something up, and wakes those whom it concerns when nothing is locked any more.
    fn tell(&self, put: impl FnOnce(&mut Board) -> Vec<Waker>) {
        let woken = put(&mut self.board());
        woken.into_iter().for_each(Waker::wake);
    }

    /// What a reader reads that is behind the tail: the events, and the number of the chunk after them.
    pub(super) fn page(&self, from: ChunkId) -> JoinHandle<Option<(Bytes, ChunkId)>> {
        let (sessions, id) = (self.sessions.clone(), self.session.id);
        self.runtime.spawn(async move {
            METRICS.sessions.pages.inc();
            let page = sessions.0.logs.read(id, from, sessions.0.options.page_bytes).await.ok()?;
            let next = from + page.texts.len() as u64;
            let bytes: BytesMut = frame::chunks(id, from, &page).flatten().collect();
            (next > from).then(|| (bytes.freeze(), next))
        })
    }

    /// What clients are told when they are sent away.
    pub(super) fn retry(&self) -> Bytes {
        self.sessions.retry()
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        // No code panics under this lock.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The chunk that a tail begins with: as many of the last as fit, about.
fn first(session: &Session, tail_bytes: usize) -> ChunkId {
    let each = session.bytes / session.count.max(1) + AROUND;
    session.count.saturating_sub(tail_bytes as u64 / each)
}

/// The follower is gone, even where it should not: nobody is to wait for it.
struct Lost<'a>(&'a Arc<Follower>);

impl Drop for Lost<'_> {
    fn drop(&mut self) {
        let mut followers = self.0.sessions.followers();
        let id = &self.0.session.id;
        if followers.get(id).is_some_and(|follower| Arc::ptr_eq(follower, self.0)) {
            followers.remove(id);
        }
        drop(followers);
        self.0.bye(None);
    }
}
