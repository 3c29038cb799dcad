//! What a person does with a dead queue: looks through it, sends messages back, drops them.
//!
//! A message is taken out only once the broker has confirmed that it has it back under the key where it
//! belongs, so that a sweep that is killed half-way loses nothing; a message that was sent and not taken
//! out is the same event once more, which changes nothing.
use std::future::Future;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio_util::sync::CancellationToken;

use super::{
    Lost, Message, Outgoing, Walk,
    replay::{self, replayed},
    topology::{PARKED, Parked},
};

/// Messages without a confirm at once.
const IN_FLIGHT_MAX: usize = 64;

/// Which parked messages are meant; the parts combine.
#[derive(Debug, Clone, Default)]
pub struct Which {
    /// Only what this worker parked.
    pub worker: Option<Parked>,
    /// Only what was parked for one of these reasons; none: for whichever.
    pub reasons: Vec<String>,
    /// Only what has this `message-id`.
    pub id: Option<String>,
}

impl Which {
    /// The dead queues that have some.
    pub fn queues(&self) -> Vec<Parked> {
        self.worker.map_or_else(|| PARKED.to_vec(), |parked| vec![parked])
    }

    fn has(&self, message: &Message) -> bool {
        let reason = replay::reason(message);
        (self.reasons.is_empty() || self.reasons.iter().any(|wanted| wanted == reason))
            && self.id.as_ref().is_none_or(|id| message.message_id.as_ref() == Some(id))
    }
}

/// Which messages of a walk are meant, who is told of each that is seen, and when to stop.
pub struct Sweep<'a> {
    /// What is meant.
    pub which: &'a Which,
    /// Told of each message, meant or not.
    pub seen: &'a (dyn Fn() + Send + Sync),
    /// Ends it with [`Lost::Stopped`].
    pub shutdown: &'a CancellationToken,
}

impl Sweep<'_> {
    async fn next(&self, walk: &mut Walk) -> Result<Option<Message>, Lost> {
        let message = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => return Err(Lost::Stopped),
            message = walk.next() => message?,
        };
        if message.is_some() {
            (self.seen)();
        }
        Ok(message)
    }

    /// Goes through those that are meant; they stay where they are.
    pub async fn look(&self, walk: &mut Walk, mut see: impl FnMut(&Message)) -> Result<(), Lost> {
        while let Some(message) = self.next(walk).await? {
            if self.which.has(&message) {
                see(&message);
            }
        }
        Ok(())
    }

    /// Sends those that are meant back, and counts them in `done`.
    pub async fn replay<E: From<Lost>, F: Future<Output = Result<(), E>>>(
        &self,
        walk: &mut Walk,
        parked: &Parked,
        send: impl Fn(Outgoing) -> F,
        done: &mut u64,
    ) -> Result<(), E> {
        let sent = |message: Message| {
            let (tag, sending) = (message.tag, send(replayed(&message, parked)));
            async move { sending.await.map(|()| tag) }
        };
        let mut in_flight = FuturesUnordered::new();
        // Why no more are taken; what is under way is still settled.
        let mut over = None;
        while over.is_none() || !in_flight.is_empty() {
            if over.is_none() && in_flight.len() < IN_FLIGHT_MAX {
                match self.next(walk).await {
                    Ok(None) => over = Some(Ok(())),
                    Err(error) => over = Some(Err(error.into())),
                    Ok(Some(message)) => {
                        if self.which.has(&message) {
                            in_flight.push(sent(message));
                        }
                    }
                }
            } else if let Some(confirmed) = in_flight.next().await {
                walk.remove(confirmed?).await?;
                *done += 1;
            }
        }
        over.unwrap_or(Ok(()))
    }

    /// Removes those that are meant for ever, and counts them in `done`.
    pub async fn remove(&self, walk: &mut Walk, done: &mut u64) -> Result<(), Lost> {
        while let Some(message) = self.next(walk).await? {
            if self.which.has(&message) {
                walk.remove(message.tag).await?;
                *done += 1;
            }
        }
        Ok(())
    }
}
