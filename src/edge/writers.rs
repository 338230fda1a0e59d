//! The writers: threads that write streams, and how others reach them.
//!
//! A thread of its own for many sockets is what makes a stream cheap: no task, no timer, no place in another reactor.
//! Streams are dealt out in turn. A thread is told of new streams, and of those that have something to write, by
//! mail, and is roused once for as much mail as there is.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Wake,
    thread,
    time::Duration,
};

use mio::{Poll, Token, Waker};
use tokio::{net::TcpStream, runtime::Handle};
use tokio_util::task::TaskTracker;

use super::{handover::Handed, places::Place, shard::Shard};

/// The token of the mail; streams have smaller ones.
pub(super) const MAIL: Token = Token(usize::MAX);

/// All writers of a node.
pub(super) struct Writers {
    mailboxes: Vec<Arc<Mailbox>>,
    next: AtomicUsize,
    running: TaskTracker,
}

/// A stream on its way to its writer.
pub(super) struct Arrival {
    pub(super) socket: std::net::TcpStream,
    pub(super) handed: Handed,
    pub(super) place: Place,
}

/// What a writer is told.
#[derive(Default)]
pub(super) struct Mail {
    pub(super) arrivals: Vec<Arrival>,
    /// Streams that have something to write.
    pub(super) woken: Vec<usize>,
    /// End when the last stream has.
    pub(super) finish: bool,
    /// End at once.
    pub(super) cut: bool,
}

/// Where a writer gets its mail.
pub(super) struct Mailbox {
    waker: Waker,
    mail: Mutex<Mail>,
    /// There is mail that the writer was told of.
    rung: AtomicBool,
}

impl Writers {
    /// Starts so many threads; none may be wanted.
    ///
    /// # Errors
    /// When the system grants no thread or no descriptor.
    pub(super) fn start(threads: usize) -> io::Result<Self> {
        let running = TaskTracker::new();
        let mut mailboxes = Vec::with_capacity(threads);
        for number in 0..threads {
            let poll = Poll::new()?;
            let mailbox = Arc::new(Mailbox::new(Waker::new(poll.registry(), MAIL)?));
            mailboxes.push(Arc::clone(&mailbox));
            let (runtime, runs) = (Handle::current(), running.token());
            thread::Builder::new().name(format!("writer {number}")).spawn(move || {
                // Reading the log and waiting are the runtime's; only the writing is not.
                let _entered = runtime.enter();
                Shard::new(poll, mailbox).run();
                drop(runs);
            })?;
        }
        running.close();
        Ok(Self { mailboxes, next: AtomicUsize::new(0), running })
    }

    /// Whether there are any.
    pub(super) fn are_there(&self) -> bool {
        !self.mailboxes.is_empty()
    }

    /// Gives a stream to one of them. Without a socket, which has failed then, the stream just ends.
    pub(super) fn take(&self, socket: TcpStream, handed: Handed, place: Place) {
        let Ok(socket) = socket.into_std() else { return };
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.mailboxes.len();
        self.mailboxes[turn].send(|mail| mail.arrivals.push(Arrival { socket, handed, place }));
    }

    /// Lets the streams end that have been sent away, for as long as `grace`, and then all of them.
    pub(super) async fn finish(&self, grace: Duration) {
        self.mailboxes.iter().for_each(|mailbox| mailbox.send(|mail| mail.finish = true));
        if tokio::time::timeout(grace, self.running.wait()).await.is_err() {
            self.mailboxes.iter().for_each(|mailbox| mailbox.send(|mail| mail.cut = true));
            self.running.wait().await;
        }
    }
}

impl Mailbox {
    fn new(waker: Waker) -> Self {
        Self { waker, mail: Mutex::default(), rung: AtomicBool::new(false) }
    }

    fn send(&self, write: impl FnOnce(&mut Mail)) {
        write(&mut self.mail());
        if !self.rung.swap(true, Ordering::AcqRel) {
            // It fails only without its descriptor, which lives as long as this.
            let _ = self.waker.wake();
        }
    }

    /// All mail until now.
    pub(super) fn empty(&self, mail: &mut Mail) {
        self.rung.store(false, Ordering::Release);
        std::mem::swap(&mut *self.mail(), mail);
    }

    fn mail(&self) -> MutexGuard<'_, Mail> {
        // No code panics under this lock.
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells a writer that a stream of its has something to write.
pub(super) struct Bell {
    mailbox: Arc<Mailbox>,
    stream: usize,
    rung: AtomicBool,
}

impl Bell {
    pub(super) fn new(mailbox: Arc<Mailbox>, stream: usize) -> Self {
        Self { mailbox, stream, rung: AtomicBool::new(false) }
    }

    /// It may ring again.
    pub(super) fn rearm(&self) {
        self.rung.store(false, Ordering::Release);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.mailbox.send(|mail| mail.woken.push(self.stream));
        }
    }
}
