//! Consuming: a [`Session`] is one connection, one channel, one consumer.
//!
//! Owns what is held unacknowledged. Refuses to repair itself: after [`Lost`] the session is dropped,
//! and with it everything held, which the broker delivers again.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt};
use lapin::{
    Channel, Consumer, Queue,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicQosOptions,
        BasicRejectOptions, QueueDeclareOptions,
    },
    types::FieldTable,
};
use tokio::time::{Instant, sleep, timeout};

use super::{
    Message,
    connection::{Failure, Link},
    pace::Streak,
};

/// How long the broker has for an answer, or the connection to take an acknowledgement. A call that is made
/// in the very moment in which the connection goes may never be answered at all; and a stop must not wait for a
/// broker that stands still.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How often it is looked whether a queue has its messages back.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The session is over: drop it, forget what it held, and consume again. Always transient; what was
/// not acknowledged comes again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Connection or channel is gone.
    #[error("the connection to the broker is gone: {0}")]
    Connection(String),
    /// The broker ended the consumer: the queue was deleted, or its leader went.
    #[error("the broker cancelled the consumer")]
    Cancelled,
    /// [`Session::stop`] was called: there is nothing more to wait for.
    #[error("the session was stopped")]
    Stopped,
}

impl From<lapin::Error> for Lost {
    fn from(error: lapin::Error) -> Self {
        Self::Connection(error.to_string())
    }
}

/// One connection, one channel, one consumer of one queue. Dropping it drops everything held.
pub struct Session {
    consumer: Consumer,
    /// Cancelled, the oldest first; what they had been given before comes first.
    retired: VecDeque<Consumer>,
    // `None` only after `close`.
    link: Option<Link>,
    streak: Streak,
    born: Instant,
    lost: AtomicBool,
    stopped: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("queue", &self.consumer.queue().as_str())
            .field("lost", &self.lost)
            .field("stopped", &self.stopped)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(super) async fn open(
        link: Link,
        queue: &str,
        prefetch: u16,
        streak: Streak,
    ) -> Result<Self, Failure> {
        Ok(Self {
            consumer: consume(&link, queue, prefetch).await?,
            retired: VecDeque::new(),
            link: Some(link),
            streak,
            born: Instant::now(),
            lost: AtomicBool::new(false),
            stopped: false,
        })
    }

    /// The next message, waiting for it. Cancel safe: a dropped call loses nothing.
    pub async fn next(&mut self) -> Result<Message, Lost> {
        if self.stopped {
            return Err(Lost::Stopped);
        }
        while let Some(retired) = self.retired.front_mut() {
            if let Some(arrived) = retired.next().await {
                return self.taken(Some(arrived));
            }
            self.retired.pop_front();
        }
        let arrived = self.consumer.next().await;
        self.taken(arrived)
    }

    /// A message that has arrived already, without waiting; `None` when there is none.
    pub fn try_next(&mut self) -> Result<Option<Message>, Lost> {
        if self.stopped {
            return Ok(None);
        }
        match self.next().now_or_never() {
            None => Ok(None),
            Some(arrived) => arrived.map(Some),
        }
    }

    /// From now on so many messages are handed over ahead. AMQP fixes the number when a consumer
    /// begins, so another one begins; what the old one had been given comes first, in the queue's order.
    pub async fn refill(&mut self, prefetch: u16) -> Result<(), Lost> {
        let Some(link) = self.link.as_ref().filter(|_| !self.stopped) else { return Ok(()) };
        let tag = self.consumer.tag();
        let begun = async {
            link.channel.basic_cancel(tag, BasicCancelOptions::default()).await?;
            consume(link, self.consumer.queue().as_str(), prefetch).await
        };
        let consumer = self.answered(begun).await?;
        self.retired.push_back(std::mem::replace(&mut self.consumer, consumer));
        Ok(())
    }

    fn taken(
        &mut self,
        arrived: Option<lapin::Result<lapin::message::Delivery>>,
    ) -> Result<Message, Lost> {
        match arrived {
            Some(Ok(delivery)) => Ok(Message::from_delivery(delivery)),
            Some(Err(error)) => Err(self.note(error.into())),
            None => Err(self.note(Lost::Cancelled)),
        }
    }

    async fn answered<T>(&self, call: impl Future<Output = lapin::Result<T>>) -> Result<T, Lost> {
        let late = || Lost::Connection(format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()));
        let answered = timeout(ANSWER_TIMEOUT, call).await;
        answered
            .map_or_else(|_| Err(late()), |done| done.map_err(Lost::from))
            .map_err(|lost| self.note(lost))
    }

    fn note(&self, lost: Lost) -> Lost {
        self.lost.store(true, Ordering::Relaxed);
        lost
    }

    /// Acknowledges every held message up to and including `tag`, in one frame; returns when it has
    /// been written. AMQP confirms no acknowledgement: one lost on the way comes again.
    pub async fn ack_through(&self, tag: u64) -> Result<(), Lost> {
        self.ack(tag, true).await
    }

    /// Acknowledges the one message `tag`: for picking single messages out of a dead queue.
    pub async fn ack_one(&self, tag: u64) -> Result<(), Lost> {
        self.ack(tag, false).await
    }

    async fn ack(&self, tag: u64, multiple: bool) -> Result<(), Lost> {
        let Some(link) = &self.link else {
            return Err(Lost::Stopped);
        };
        self.answered(link.channel.basic_ack(tag, BasicAckOptions { multiple })).await
    }

    /// Returns once the queue has done every earlier acknowledgement of this session.
    ///
    /// A quorum queue does them when its log has them, and a channel that has sent it more than a few that
    /// are not done keeps further ones back, to lose them if it ends. What is answered from that log is
    /// `basic.get`: what it finds goes back to where it was.
    pub(super) async fn settled(&self) -> Result<(), Lost> {
        let Some(link) = &self.link else {
            return Err(Lost::Stopped);
        };
        let queue = self.consumer.queue();
        let asked = async {
            let options = BasicGetOptions { no_ack: false };
            if let Some(found) = link.channel.basic_get(queue, options).await? {
                let back = BasicRejectOptions { requeue: true };
                link.channel.basic_reject(found.delivery_tag, back).await?;
            }
            Ok(())
        };
        self.answered(asked).await
    }

    /// Takes no more messages. What is held may still be acknowledged; what had arrived without
    /// being taken goes back with the rest at the end of the session. [`next`](Self::next) says
    /// [`Lost::Stopped`] from now on.
    pub async fn stop(&mut self) {
        if std::mem::replace(&mut self.stopped, true) {
            return;
        }
        if let Some(link) = &self.link {
            // A failure means that the session is lost, which the next acknowledgement says.
            let tag = self.consumer.tag();
            let cancelled = link.channel.basic_cancel(tag, BasicCancelOptions::default());
            let _ = self.answered(cancelled).await;
        }
    }

    /// Gives everything back that it holds, and returns once the queue has it: as many messages lie there, or
    /// nobody else has some. A queue learns of a channel's end some time after who ended it.
    pub(super) async fn give_back(&self, lying: u64) -> Result<(), Lost> {
        let Some(link) = &self.link else {
            return Err(Lost::Stopped);
        };
        let queue = self.consumer.queue();
        let returned = async {
            link.channel.close(200, "OK".into()).await?;
            let channel = link.another_channel().await?;
            loop {
                let now = look(&channel, queue.as_str()).await?;
                if now.consumer_count() == 0 || u64::from(now.message_count()) >= lying {
                    return Ok(());
                }
                sleep(LOOK_EVERY).await;
            }
        };
        self.answered(returned).await
    }

    /// Closes the connection and waits a moment (2 s at most) for the broker to agree. What is
    /// unacknowledged goes back to the queue.
    pub async fn close(mut self) {
        if let Some(link) = self.link.take() {
            link.close().await;
        }
    }
}

/// How many messages lie in a queue, besides those that somebody holds.
pub(super) async fn count(link: &Link, queue: &str) -> lapin::Result<u64> {
    Ok(look(&link.channel, queue).await?.message_count().into())
}

/// What the broker says of a queue, which stays as it is.
pub(super) async fn look(channel: &Channel, queue: &str) -> lapin::Result<Queue> {
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), options, FieldTable::default()).await
}

async fn consume(link: &Link, queue: &str, prefetch: u16) -> lapin::Result<Consumer> {
    // lapin's queue of arrived messages has no bound of its own: this is the only brake.
    link.channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    link.channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await
}

impl Drop for Session {
    fn drop(&mut self) {
        self.streak.ended(*self.lost.get_mut(), self.born.elapsed());
    }
}
