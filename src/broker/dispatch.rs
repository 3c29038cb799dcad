//! The publisher's task: owns its connection, what is in flight on it, and every confirm.
//!
//! Refuses to answer `Ok` before it has looked at everything the broker said until then: lapin hangs
//! a returned message on the first confirm that completes after it, which may be a neighbour's.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use futures_util::{Stream, StreamExt, stream::FuturesUnordered};
use lapin::{
    Channel, Confirmation, Consumer, Event,
    message::{BasicReturnMessage, Delivery},
    options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions},
    types::FieldTable,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::{
    Broker, Outgoing, PublishError,
    connection::{BACKOFF_MOST, Failure, Link, Streak},
    publisher::{Command, REPLY_TO, Shared},
};

/// How many publishes may be without a confirm at once. Measured: beyond a thousand nothing is
/// gained.
pub(super) const IN_FLIGHT_MOST: usize = 1_024;

/// How many bytes of bodies may be without a confirm at once (one more message is always let in).
pub(super) const IN_FLIGHT_BYTES_MOST: usize = 32 * 1024 * 1024;

/// How long publishes wait for a lost connection before they are refused at once: a short
/// interruption costs a delay, a long one no pile of waiting requests.
const GRACE: Duration = Duration::from_secs(1);

type Outcome = (u64, lapin::Result<Confirmation>);
type Publishing = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Runs until shut down, or until nobody can publish any more.
pub(super) async fn run(
    broker: Broker,
    mut commands: mpsc::Receiver<Command>,
    shared: Arc<Shared>,
    shutdown: CancellationToken,
) {
    let streak = Streak::default();
    let mut grace = Instant::now() + broker.settings().publish_timeout;
    loop {
        let opened = tokio::select! {
            biased;
            opened = open(&broker, &streak, &shutdown) => opened,
            () = refuse(&mut commands, grace) => None,
        };
        let Some((link, replies)) = opened else {
            break;
        };
        let born = Instant::now();
        shared.set_connected(true);
        let mut line = Line::new(link.channel.clone());
        let end = line
            .serve(&link, replies, &mut commands, &shared, &shutdown)
            .await;
        shared.set_connected(false);
        line.abandon();
        shared.forget_replies();
        match end {
            End::Finished => {
                link.close().await;
                break;
            }
            End::Lost(reason) => {
                warn!(
                    reason,
                    "the publishing connection is gone; connecting again"
                );
                streak.ended(true, born.elapsed());
                grace = Instant::now() + GRACE;
            }
        }
    }
    refuse_rest(&mut commands);
    info!("the publisher has ended");
}

/// Insists on a channel in confirm mode that also receives replies. `None` when shut down.
async fn open(
    broker: &Broker,
    streak: &Streak,
    shutdown: &CancellationToken,
) -> Option<(Link, Consumer)> {
    let attempt = || async {
        let link = broker.open("publish").await?;
        let channel = &link.channel;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        let options = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        let replies = channel
            .basic_consume(REPLY_TO.into(), "".into(), options, FieldTable::default())
            .await?;
        Ok::<_, Failure>((link, replies))
    };
    loop {
        match broker.insist("publish", streak, shutdown, attempt).await {
            Ok(opened) => return opened,
            Err(refusal) => error!(%refusal, "cannot publish until this is mended"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return None,
            () = tokio::time::sleep(BACKOFF_MOST) => {}
        }
    }
}

/// Answers what comes after `grace` that there is no connection. Returns when nobody is left to ask.
async fn refuse(commands: &mut mpsc::Receiver<Command>, grace: Instant) {
    sleep_until(grace).await;
    while let Some(command) = commands.recv().await {
        let _ = command.answer.send(Err(unavailable("not connected")));
    }
}

fn refuse_rest(commands: &mut mpsc::Receiver<Command>) {
    commands.close();
    while let Ok(command) = commands.try_recv() {
        let _ = command.answer.send(Err(unavailable("shutting down")));
    }
}

fn unavailable(reason: &str) -> PublishError {
    PublishError::Unavailable(reason.to_owned())
}

enum End {
    /// Nothing more to publish.
    Finished,
    /// The connection is gone, and why.
    Lost(String),
}

/// A publish whose confirm is awaited.
struct InFlight {
    identity: u64,
    bytes: usize,
    returned: bool,
    answer: oneshot::Sender<Result<(), PublishError>>,
}

/// One connection's worth of publishing.
struct Line {
    channel: Channel,
    publishing: FuturesUnordered<Publishing>,
    in_flight: HashMap<u64, InFlight>,
    bytes: usize,
    sequence: u64,
}

impl Line {
    fn new(channel: Channel) -> Self {
        Self {
            channel,
            publishing: FuturesUnordered::new(),
            in_flight: HashMap::new(),
            bytes: 0,
            sequence: 0,
        }
    }

    async fn serve(
        &mut self,
        link: &Link,
        mut replies: Consumer,
        commands: &mut mpsc::Receiver<Command>,
        shared: &Shared,
        shutdown: &CancellationToken,
    ) -> End {
        let mut events = Box::pin(link.connection.events_listener());
        let mut taken = Vec::new();
        let mut open = true;
        loop {
            if !open && self.in_flight.is_empty() {
                return End::Finished;
            }
            let room = self.room();
            tokio::select! {
                () = shutdown.cancelled(), if !commands.is_closed() => commands.close(),
                Some(first) = self.publishing.next() => {
                    if let Err(reason) = self.settle(first) {
                        return End::Lost(reason);
                    }
                }
                n = commands.recv_many(&mut taken, room), if open && room > 0 => {
                    open = n > 0;
                    taken.drain(..).for_each(|command| self.start(command));
                }
                reply = replies.next() => match reply {
                    Some(Ok(delivery)) => hand_over(delivery, shared),
                    Some(Err(error)) => return End::Lost(error.to_string()),
                    None => return End::Lost("the reply consumer was cancelled".to_owned()),
                },
                Some(event) = events.next() => note(&event),
            }
        }
    }

    /// How many more publishes may start.
    fn room(&self) -> usize {
        if self.bytes >= IN_FLIGHT_BYTES_MOST {
            return 0;
        }
        IN_FLIGHT_MOST.saturating_sub(self.in_flight.len())
    }

    fn start(&mut self, command: Command) {
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
            InFlight {
                identity: identity_of(&message),
                bytes,
                returned: false,
                answer,
            },
        );
        let channel = self.channel.clone();
        self.publishing
            .push(Box::pin(publish(channel, number, message)));
    }

    /// Settles `first` and everything else that is ready, returns before confirms.
    fn settle(&mut self, first: Outcome) -> Result<(), String> {
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
        let result = if waiting.returned {
            Err(PublishError::Unroutable)
        } else {
            result
        };
        // Nobody listens when the caller timed out.
        let _ = waiting.answer.send(result);
    }

    /// The connection is gone: nothing in flight will be known.
    fn abandon(self) {
        for waiting in self.in_flight.into_values() {
            let lost = unavailable("the connection was lost before the confirm");
            let _ = waiting.answer.send(Err(lost));
        }
    }
}

async fn publish(channel: Channel, number: u64, message: Outgoing) -> Outcome {
    let options = BasicPublishOptions {
        mandatory: message.mandatory,
        ..BasicPublishOptions::default()
    };
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
            Poll::Pending if woken.0.swap(false, Ordering::AcqRel) => {}
            Poll::Pending => return,
        }
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

fn hand_over(reply: Delivery, shared: &Shared) {
    let id = reply.properties.correlation_id().as_ref();
    let id = id.map_or("", |id| id.as_str()).to_owned();
    if !shared.deliver(&id, reply.data.into()) {
        debug!(
            correlation_id = id,
            "a reply came after its request was over"
        );
    }
}

fn note(event: &Event) {
    match event {
        Event::ConnectionBlocked(reason) => {
            warn!(reason, "the broker takes no messages for now");
        }
        Event::ConnectionUnblocked => info!("the broker takes messages again"),
        _ => {}
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
        properties.message_id().as_ref().map(|id| id.as_str()),
        properties.correlation_id().as_ref().map(|id| id.as_str()),
    )
}
