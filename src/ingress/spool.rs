//! The durable spool: where clicks wait for a broker that is away (contract 2), bounded.
//!
//! A task writes what waits in one transaction each time, so that thousands of clicks share an
//! fsync; [`drain`] publishes from the file, oldest first, and forgets what was confirmed. Refuses
//! to say that an event is kept before it is on the disk.
mod drain;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{Mutex, Notify, mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    broker::{Publisher, compose::Draft},
    metrics::Metrics,
    series::ResultLabel,
    store::{
        StoreError,
        spool::{Held, ROW_BYTES, SpoolFile, Spooled},
    },
};

/// Events that may wait to be written; further callers wait for room.
const QUEUED_MAX: usize = 4096;
/// Most events of one transaction.
const WRITTEN_MAX: usize = 512;
/// How long a caller waits for the disk.
const KEEP_TIMEOUT: Duration = Duration::from_secs(5);

/// Why an event is not, or not known to be, in the spool. Safe to repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotKept {
    /// It would exceed its bound.
    #[error("the spool is full")]
    Full,
    /// The file cannot be written, or not in time.
    #[error("the spool cannot be written")]
    Failed,
}

impl NotKept {
    const fn label(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Failed => "failed",
        }
    }
}

/// How much there may be, and how it is published.
#[derive(Debug, Clone)]
pub struct SpoolSettings {
    /// Most bytes of events in the file, [`ROW_BYTES`] each included.
    pub bytes_max: u64,
    /// Most events of one message.
    pub group_events_max: usize,
    /// Most bytes of one message.
    pub message_bytes_max: usize,
}

/// The handle that requests hold. Cheap to clone.
#[derive(Clone)]
pub struct Spool {
    queue: mpsc::Sender<Waiting>,
    shared: Arc<Shared>,
}

/// What requests, writer and drainer share.
struct Shared {
    file: SpoolFile,
    settings: SpoolSettings,
    publisher: Publisher,
    metrics: Arc<Metrics>,
    /// Held by whoever changes file and counts, so that the two agree.
    changing: Mutex<()>,
    events: AtomicU64,
    bytes: AtomicU64,
    /// Connected, but it did not confirm when it was asked last.
    in_doubt: AtomicBool,
    came: Notify,
    /// The last write failed; said once.
    failing: AtomicBool,
    ended: CancellationToken,
}

struct Waiting {
    id: String,
    event: String,
    answer: oneshot::Sender<Result<(), NotKept>>,
}

impl Spool {
    /// Goes on with what is in the file from an earlier time, until `shutdown`.
    pub async fn start(
        file: SpoolFile,
        settings: SpoolSettings,
        publisher: Publisher,
        metrics: Arc<Metrics>,
        shutdown: CancellationToken,
    ) -> Result<Self, StoreError> {
        let held = file.held().await?;
        let (queue, waiting) = mpsc::channel(QUEUED_MAX);
        let shared = Arc::new(Shared {
            file,
            settings,
            publisher,
            metrics,
            changing: Mutex::default(),
            events: AtomicU64::default(),
            bytes: AtomicU64::default(),
            in_doubt: AtomicBool::default(),
            came: Notify::default(),
            failing: AtomicBool::default(),
            ended: CancellationToken::new(),
        });
        shared.set(held);
        tokio::spawn(write(waiting, shared.clone()));
        tokio::spawn(drain::run(shared.clone(), shutdown));
        Ok(Self { queue, shared })
    }

    /// Puts an event into the spool; `Ok` once it is on the disk.
    pub async fn keep(&self, draft: &Draft) -> Result<(), NotKept> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { id: draft.id.clone(), event: draft.to_json(), answer };
        let keeping = async {
            self.queue.send(waiting).await.map_err(|_| NotKept::Failed)?;
            answered.await.map_err(|_| NotKept::Failed)?
        };
        timeout(KEEP_TIMEOUT, keeping).await.unwrap_or(Err(NotKept::Failed))
    }

    /// Whether the broker is known to be of no help now, so that nobody need wait to find out. What
    /// is in the spool finds out when it is back.
    pub fn broker_is_away(&self) -> bool {
        let in_doubt = self.shared.in_doubt.load(Relaxed) && self.events() > 0;
        in_doubt || !self.shared.publisher.is_ready()
    }

    /// Says that the broker did not confirm when it should have.
    pub fn doubt_broker(&self) {
        self.shared.in_doubt.store(true, Relaxed);
    }

    /// How many events wait.
    pub fn events(&self) -> u64 {
        self.shared.events.load(Relaxed)
    }

    /// The id of the event that waits longest.
    pub async fn oldest(&self) -> Option<String> {
        if self.events() == 0 {
            return None;
        }
        Some(self.shared.file.oldest(1).await.ok()?.pop()?.id)
    }

    /// Waits, after shutdown, until nothing more is published, and closes the file.
    pub async fn ended(&self) {
        self.shared.ended.cancelled().await;
        if let Err(error) = self.shared.file.close().await {
            tracing::warn!(%error, "the spool's file was not closed");
        }
    }
}

/// The writer's task: everything that waits goes into one transaction.
async fn write(mut queue: mpsc::Receiver<Waiting>, shared: Arc<Shared>) {
    let mut taken = Vec::with_capacity(WRITTEN_MAX);
    while queue.recv_many(&mut taken, WRITTEN_MAX).await > 0 {
        taken.retain(|waiting| !waiting.answer.is_closed());
        let result = shared.keep(&taken).await;
        for (place, waiting) in taken.drain(..).enumerate() {
            let kept = match result {
                Ok(fitting) if place < fitting => Ok(()),
                Ok(_) => Err(NotKept::Full),
                Err(not_kept) => Err(not_kept),
            };
            shared.count(kept);
            // Nobody listens when the caller went away.
            let _ = waiting.answer.send(kept);
        }
    }
}

impl Shared {
    /// Writes the first of these events, as many as there is room for; how many those are.
    async fn keep(&self, waiting: &[Waiting]) -> Result<usize, NotKept> {
        let changing = self.changing.lock().await;
        let before = self.held();
        let sizes = waiting.iter().map(|waiting| waiting.event.len() as u64 + ROW_BYTES);
        let (fitting, bytes) = fitting(sizes, self.settings.bytes_max.saturating_sub(before.bytes));
        let events = waiting.iter().take(fitting).map(|w| (w.id.as_str(), w.event.as_str()));
        if let Err(error) = self.file.keep(events).await {
            if !self.failing.swap(true, Relaxed) {
                tracing::error!(%error, "clicks cannot be written to the spool");
            }
            self.recount().await;
            return Err(NotKept::Failed);
        }
        self.set(Held { events: before.events + fitting as u64, bytes: before.bytes + bytes });
        drop(changing);
        self.failing.store(false, Relaxed);
        self.came.notify_one();
        Ok(fitting)
    }

    /// Forgets these events, which follow each other.
    async fn remove(&self, run: &[Spooled]) -> Result<(), StoreError> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(()) };
        let _changing = self.changing.lock().await;
        if let Err(error) = self.file.remove(first.number, last.number).await {
            self.recount().await;
            return Err(error);
        }
        let Held { events, bytes } = self.held();
        let removed: u64 = run.iter().map(Spooled::bytes).sum();
        self.set(Held {
            events: events.saturating_sub(run.len() as u64),
            bytes: bytes.saturating_sub(removed),
        });
        Ok(())
    }

    /// After a failure nobody knows what was written.
    async fn recount(&self) {
        if let Ok(held) = self.file.held().await {
            self.set(held);
        }
    }

    fn held(&self) -> Held {
        Held { events: self.events.load(Relaxed), bytes: self.bytes.load(Relaxed) }
    }

    fn set(&self, held: Held) {
        self.events.store(held.events, Relaxed);
        self.bytes.store(held.bytes, Relaxed);
        self.metrics.spool_events.set(held.events as i64);
        self.metrics.spool_bytes.set(held.bytes as i64);
    }

    fn count(&self, kept: Result<(), NotKept>) {
        let result = kept.map_or_else(NotKept::label, |()| "kept");
        self.metrics.spooled.get_or_create(&ResultLabel { result }).inc();
    }
}

/// How many of these sizes, in their order, fit into `room`; and their sum.
fn fitting(sizes: impl Iterator<Item = u64>, room: u64) -> (usize, u64) {
    let mut sum = 0;
    let mut count = 0;
    for size in sizes {
        if sum + size > room {
            break;
        }
        sum += size;
        count += 1;
    }
    (count, sum)
}

#[cfg(test)]
#[path = "spool/tests.rs"]
mod tests;
