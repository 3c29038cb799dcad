//! Publishing: [`Publisher`] is the handle that callers hold; the work is done by its task, in
//! `dispatch`.
//!
//! Owns deadlines and the matching of replies to requests. Refuses to let a caller's future hold a
//! confirm: a dropped request neither loses nor keeps anything.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Broker, Counts, Outgoing, dispatch};
use crate::failpoint::{self, Struck};

/// How many publishes may wait to be taken up by the task; further callers wait for room.
pub(super) const QUEUED_MOST: usize = 1_024;

/// The broker's name for "answer on this channel" (direct reply-to).
pub(super) const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// Why a message was not published, or not known to be. All but [`TooLarge`](Self::TooLarge): safe
/// to repeat with the same id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Not connected, or the connection was lost before the confirm: it may have been published.
    #[error("the broker is unavailable: {0}")]
    Unavailable(String),
    /// Mandatory, and no queue takes this key of this exchange: it was not kept.
    #[error("no queue takes the message")]
    Unroutable,
    /// The broker refused it: the queue is full, or failed.
    #[error("the broker refused the message")]
    Nacked,
    /// No confirm within the publish time-out (a broker in alarm takes none): it may yet be
    /// published.
    #[error("the broker did not confirm in time")]
    TimedOut,
    /// The body is over `MAX_MESSAGE`, or a property is longer than AMQP carries: a repeat fails too.
    #[error("the message is larger than allowed")]
    TooLarge,
}

impl From<Struck> for PublishError {
    fn from(struck: Struck) -> Self {
        Self::Unavailable(struck.to_string())
    }
}

/// What the task is asked to do.
pub(super) struct Command {
    pub(super) message: Outgoing,
    pub(super) answer: oneshot::Sender<Result<(), PublishError>>,
}

/// What handles and task share.
#[derive(Default)]
pub(super) struct Shared {
    connected: AtomicBool,
    /// Cancelled when the task has ended, in whatever way.
    pub(super) ended: CancellationToken,
    replies: Mutex<HashMap<String, oneshot::Sender<Bytes>>>,
}

impl Shared {
    pub(super) fn set_connected(&self, connected: bool) {
        self.connected.store(connected, Ordering::Release);
    }

    /// Hands a reply to who waits for it. Nobody does any more when it comes late.
    pub(super) fn deliver(&self, correlation_id: &str, body: Bytes) -> bool {
        self.replies().remove(correlation_id).is_some_and(|waiting| waiting.send(body).is_ok())
    }

    /// No reply of the lost connection can come any more: whoever waits learns it now.
    pub(super) fn forget_replies(&self) {
        self.replies().clear();
    }

    fn replies(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Bytes>>> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the table of awaited replies; leaving it, in whatever way, clears it.
struct Awaited<'a> {
    shared: &'a Shared,
    correlation_id: String,
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.shared.replies().remove(&self.correlation_id);
    }
}

/// Publishes with confirms. Cheap to clone; all clones share one task and one connection.
#[derive(Clone)]
pub struct Publisher {
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
    timeout: Duration,
    max_message: usize,
    counts: Counts,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").field("ready", &self.is_ready()).finish_non_exhaustive()
    }
}

impl Publisher {
    pub(super) fn spawn(broker: Broker, shutdown: CancellationToken) -> Self {
        let (commands, queue) = mpsc::channel(QUEUED_MOST);
        let shared = Arc::new(Shared::default());
        let publisher = Self {
            commands,
            shared: Arc::clone(&shared),
            timeout: broker.settings().publish_timeout,
            max_message: broker.settings().max_message,
            counts: broker.counts().clone(),
        };
        tokio::spawn(dispatch::run(broker, queue, shared, shutdown));
        publisher
    }

    /// Publishes one message. `Ok` only on a positive confirm, of a message that was not returned.
    /// Answers within the publish time-out. A dropped call may or may not publish.
    pub async fn publish(&self, message: Outgoing) -> Result<(), PublishError> {
        let deadline = Instant::now() + self.timeout;
        self.publish_until(message, deadline).await
    }

    /// Publishes all of them in their order, in flight together, with one deadline; one result each.
    pub async fn publish_all(&self, messages: Vec<Outgoing>) -> Vec<Result<(), PublishError>> {
        let begun = Instant::now();
        let deadline = begun + self.timeout;
        let mut submitted = Vec::with_capacity(messages.len());
        for message in messages {
            submitted.push(self.submit(message, deadline).await);
        }
        let mut results = Vec::with_capacity(submitted.len());
        for answered in submitted {
            let result = settled(answered, deadline).await;
            self.counts.published(&result, begun.elapsed());
            results.push(result);
        }
        results
    }

    /// Publishes a request and waits for its reply (contract 1, "Replies"), on the publisher's own
    /// channel. Replies are told apart by `correlation_id`; a fresh one is set where it is absent or
    /// already awaited. `Ok(None)`: published and confirmed, but no reply within `wait`, measured
    /// from the call, or the connection it would have come on is gone.
    pub async fn request(
        &self,
        mut message: Outgoing,
        wait: Duration,
    ) -> Result<Option<Bytes>, PublishError> {
        let start = Instant::now();
        let (awaited, mut reply) = self.await_reply(message.correlation_id.take());
        message.correlation_id = Some(awaited.correlation_id.clone());
        message.reply_to = Some(REPLY_TO.to_owned());
        let mut published = pin!(self.publish_until(message, start + self.timeout));
        // A reply says more than the confirm, which it may overtake.
        let answered_first = tokio::select! {
            biased;
            answer = &mut reply => Some(answer),
            result = &mut published => {
                result?;
                None
            }
        };
        match answered_first {
            Some(Ok(body)) => Ok(Some(body)),
            Some(Err(_)) => published.await.map(|()| None),
            None => Ok(timeout_at(start + wait, reply).await.ok().and_then(Result::ok)),
        }
    }

    /// Whether the publisher is connected now.
    pub fn is_ready(&self) -> bool {
        self.shared.connected.load(Ordering::Acquire) && !self.shared.ended.is_cancelled()
    }

    /// Waits until the task has ended: after shutdown, with everything taken up answered.
    pub async fn ended(&self) {
        self.shared.ended.cancelled().await;
    }

    async fn publish_until(
        &self,
        message: Outgoing,
        deadline: Instant,
    ) -> Result<(), PublishError> {
        let begun = Instant::now();
        let answered = self.submit(message, deadline).await;
        let result = settled(answered, deadline).await;
        self.counts.published(&result, begun.elapsed());
        result
    }

    /// Hands it to the task, waiting for room.
    async fn submit(&self, message: Outgoing, deadline: Instant) -> Submitted {
        if !message.fits(self.max_message) {
            return Err(PublishError::TooLarge);
        }
        failpoint::reach("broker::before-publish")?;
        let (answer, answered) = oneshot::channel();
        let command = Command { message, answer };
        match timeout_at(deadline, self.commands.send(command)).await {
            Ok(Ok(())) => Ok(answered),
            Ok(Err(_)) => Err(shut_down()),
            Err(_) => Err(PublishError::TimedOut),
        }
    }

    fn await_reply(&self, wanted: Option<String>) -> (Awaited<'_>, oneshot::Receiver<Bytes>) {
        let (sender, receiver) = oneshot::channel();
        let mut replies = self.shared.replies();
        let correlation_id = wanted
            .filter(|id| !replies.contains_key(id))
            .unwrap_or_else(|| Uuid::new_v4().to_string());
        replies.insert(correlation_id.clone(), sender);
        drop(replies);
        let awaited = Awaited { shared: &self.shared, correlation_id };
        (awaited, receiver)
    }
}

/// A publish the task has been asked for.
type Submitted = Result<oneshot::Receiver<Result<(), PublishError>>, PublishError>;

async fn settled(submitted: Submitted, deadline: Instant) -> Result<(), PublishError> {
    match timeout_at(deadline, submitted?).await {
        // As when the connection is lost before the confirm comes.
        Ok(Ok(result)) => result.and_then(|()| Ok(failpoint::reach("broker::before-confirm")?)),
        Ok(Err(_)) => Err(shut_down()),
        Err(_) => Err(PublishError::TimedOut),
    }
}

fn shut_down() -> PublishError {
    PublishError::Unavailable("the publisher has been shut down".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publisher() -> (Publisher, mpsc::Receiver<Command>) {
        let (commands, queue) = mpsc::channel(8);
        let publisher = Publisher {
            commands,
            shared: Arc::default(),
            timeout: Duration::from_secs(5),
            max_message: 100,
            counts: Counts::default(),
        };
        (publisher, queue)
    }

    /// What `request` says where the task, having taken it up, does this before it is looked at.
    async fn asked(
        task: impl FnOnce(&Shared, &str) -> Option<Result<(), PublishError>>,
    ) -> Result<Option<Bytes>, PublishError> {
        let (publisher, mut queue) = publisher();
        let request = publisher.request(Outgoing::work("mail", "{}"), Duration::from_millis(20));
        let playing = async {
            let Command { message, answer } = queue.recv().await.expect("a command");
            let id = message.correlation_id.expect("an id");
            match task(&publisher.shared, &id) {
                Some(result) => answer.send(result).expect("listening"),
                None => drop(answer),
            }
        };
        let (result, ()) = tokio::join!(request, playing);
        assert!(publisher.shared.replies().is_empty(), "nothing is left behind");
        result
    }

    #[tokio::test]
    async fn a_request_survives_every_order_of_events() {
        let reply = || Bytes::from_static(b"[]");
        let lost = || PublishError::Unavailable("lost".into());
        let confirmed = asked(|_, _| Some(Ok(()))).await;
        assert_eq!(confirmed, Ok(None), "confirmed, no reply");
        let both = asked(|shared, id| {
            assert!(shared.deliver(id, reply()));
            Some(Ok(()))
        });
        assert_eq!(both.await, Ok(Some(reply())), "reply and confirm");
        let overtaken = asked(|shared, id| {
            assert!(shared.deliver(id, reply()));
            Some(Err(lost()))
        });
        assert_eq!(overtaken.await, Ok(Some(reply())), "a reply says more than a lost confirm");
        let forgotten = asked(|shared, _| {
            shared.forget_replies();
            Some(Ok(()))
        });
        assert_eq!(forgotten.await, Ok(None), "confirmed, then the connection went");
        let gone = asked(|shared, _| {
            shared.forget_replies();
            Some(Err(lost()))
        });
        assert_eq!(gone.await, Err(lost()), "the connection went");
        assert_eq!(asked(|_, _| None).await, Err(shut_down()), "the task went");
    }

    #[tokio::test]
    async fn a_dropped_request_leaves_nothing_behind() {
        let (publisher, _queue) = publisher();
        let request = publisher.request(Outgoing::work("mail", "{}"), Duration::from_secs(9));
        let given_up = tokio::time::timeout(Duration::from_millis(5), request).await;
        assert!(given_up.is_err());
        assert!(publisher.shared.replies().is_empty());
    }
}
