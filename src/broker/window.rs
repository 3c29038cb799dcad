//! What is in flight on one publishing connection, and what became of it.
//!
//! Owns every confirm. Refuses to answer `Ok` before it has looked at everything the broker said
//! until then: lapin hangs a returned message on the first confirm that completes after it, which may
//! be a neighbour's.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::{Stream, StreamExt, stream::FuturesUnordered};
use lapin::{
    Channel, Confirmation, message::BasicReturnMessage, options::BasicPublishOptions,
    types::ShortString,
};
use tokio::sync::oneshot;

use super::{Outgoing, PublishError, publisher::Command};

/// How many publishes may be without a confirm at once. Measured: beyond a thousand nothing is
/// gained.
pub(super) const IN_FLIGHT_MOST: usize = 1_024;

/// How many bytes of bodies may be without a confirm at once (one more message is always let in).
pub(super) const IN_FLIGHT_BYTES_MOST: usize = 32 * 1024 * 1024;

/// A publish's number and what the broker said.
pub(super) type Outcome = (u64, lapin::Result<Confirmation>);
type Publishing = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A publish whose confirm is awaited.
struct InFlight {
    identity: u64,
    bytes: usize,
    returned: bool,
    answer: oneshot::Sender<Result<(), PublishError>>,
}

/// One connection's worth of publishing.
pub(super) struct Window {
    channel: Channel,
    publishing: FuturesUnordered<Publishing>,
    in_flight: HashMap<u64, InFlight>,
    bytes: usize,
    sequence: u64,
}

impl Window {
    pub(super) fn new(channel: Channel) -> Self {
        Self {
            channel,
            publishing: FuturesUnordered::new(),
            in_flight: HashMap::new(),
            bytes: 0,
            sequence: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// What becomes known next; `None` while nothing is in flight. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Outcome> {
        self.publishing.next().await
    }

    /// How many more publishes may start.
    pub(super) fn room(&self) -> usize {
        if self.bytes >= IN_FLIGHT_BYTES_MOST {
            return 0;
        }
        IN_FLIGHT_MOST.saturating_sub(self.in_flight.len())
    }

    pub(super) fn start(&mut self, command: Command) {
        let Command { message, answer } = command;
        if answer.is_closed() {
            return; // Timed out, or given up, before it was taken up.
        }
        self.sequence += 1;
        let number = self.sequence;
        let bytes = message.body.len();
        self.bytes += bytes;
        self.in_flight.insert(
            number,
            InFlight { identity: identity_of(&message), bytes, returned: false, answer },
        );
        let channel = self.channel.clone();
        self.publishing.push(Box::pin(publish(channel, number, message)));
    }

    /// Settles `first` and everything else that is ready, returns before confirms.
    pub(super) fn settle(&mut self, first: Outcome) -> Result<(), String> {
        let mut ready = vec![first];
        drain(&mut self.publishing, &mut ready);
        let mut confirmed = Vec::with_capacity(ready.len());
        for (number, outcome) in ready {
            match outcome {
                Ok(Confirmation::Ack(returned)) => {
                    self.mark(returned.as_ref());
                    confirmed.push((number, Ok(())));
                }
                Ok(Confirmation::Nack(returned)) => {
                    self.mark(returned.as_ref());
                    confirmed.push((number, Err(PublishError::Nacked)));
                }
                Ok(Confirmation::NotRequested) => {
                    return Err("the channel does not confirm".to_owned());
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        for (number, result) in confirmed {
            self.answer(number, result);
        }
        Ok(())
    }

    /// Marks everything in flight that looks like the returned message. A look-alike that was routed
    /// is repeated for nothing, which is safe.
    fn mark(&mut self, returned: Option<&BasicReturnMessage>) {
        let Some(returned) = returned else {
            return;
        };
        let identity = identity_of_returned(returned);
        for waiting in self.in_flight.values_mut() {
            waiting.returned |= waiting.identity == identity;
        }
    }

    fn answer(&mut self, number: u64, result: Result<(), PublishError>) {
        let Some(waiting) = self.in_flight.remove(&number) else {
            return;
        };
        self.bytes -= waiting.bytes;
        let result = if waiting.returned { Err(PublishError::Unroutable) } else { result };
        // Nobody listens when the caller timed out.
        let _ = waiting.answer.send(result);
    }

    /// The connection is gone: nothing in flight will be known.
    pub(super) fn abandon(self) {
        for waiting in self.in_flight.into_values() {
            let lost = "the connection was lost before the confirm".to_owned();
            let _ = waiting.answer.send(Err(PublishError::Unavailable(lost)));
        }
    }
}

async fn publish(channel: Channel, number: u64, message: Outgoing) -> Outcome {
    let options =
        BasicPublishOptions { mandatory: message.mandatory, ..BasicPublishOptions::default() };
    let properties = message.properties();
    let sent = channel
        .basic_publish(
            message.exchange.as_ref().into(),
            message.routing_key.as_str().into(),
            options,
            &message.body,
            properties,
        )
        .await;
    drop(message);
    match sent {
        Ok(confirm) => (number, confirm.await),
        Err(error) => (number, Err(error)),
    }
}

/// Takes everything that is ready. Goes on where the set merely pauses for breath (it then wakes its
/// waker at once): a return hangs on a confirm completed no later than its own message's, so when
/// this ends, the return of every message taken has been taken too.
fn drain(publishing: &mut FuturesUnordered<Publishing>, ready: &mut Vec<Outcome>) {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    loop {
        match Pin::new(&mut *publishing).poll_next(&mut context) {
            Poll::Ready(Some(outcome)) => ready.push(outcome),
            Poll::Ready(None) => return,
            Poll::Pending if !woken.0.swap(false, Ordering::AcqRel) => return,
            Poll::Pending => {}
        }
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// What a returned message has in common with the one that was sent, as a hash.
fn identity(
    exchange: &str,
    key: &str,
    message_id: Option<&str>,
    correlation_id: Option<&str>,
) -> u64 {
    let mut hasher = DefaultHasher::new();
    (exchange, key, message_id, correlation_id).hash(&mut hasher);
    hasher.finish()
}

fn identity_of(message: &Outgoing) -> u64 {
    identity(
        &message.exchange,
        &message.routing_key,
        message.message_id.as_deref(),
        message.correlation_id.as_deref(),
    )
}

fn identity_of_returned(returned: &BasicReturnMessage) -> u64 {
    let properties = &returned.delivery.properties;
    identity(
        returned.delivery.exchange.as_str(),
        returned.delivery.routing_key.as_str(),
        properties.message_id().as_ref().map(ShortString::as_str),
        properties.correlation_id().as_ref().map(ShortString::as_str),
    )
}
