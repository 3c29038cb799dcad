//! Grouping: events that arrive together leave as one message, and each request waits for that
//! one confirm, or for its own part of that one reply (contract 1).
//!
//! A lane is a task per event type. It does not wait while nothing is in flight: a lone event leaves
//! at once, and so do those that arrived with it. Beside a few other groups it waits until it is no
//! small one beside them, and under load for a full group, but never longer than one linger.
//! A caller that goes away neither loses nor keeps anything: groups are published by tasks.
use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use serde::Deserialize;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, timeout},
};

use super::traced::traced;
use crate::{
    broker::{
        PublishError, Publisher,
        compose::{self, Draft},
    },
    domain::EventType,
    metrics::Metrics,
    series::ResultLabel,
};

/// Groups of one lane in flight beside which another one may leave without a linger.
const EAGER_MAX: usize = 3;
/// It does so where it has one of so many parts of the events in flight: small groups cost the broker as
/// much as large ones.
const EAGER_PART: usize = 2;
/// Groups of one lane in flight; further events wait, and their callers' deadline runs.
const IN_FLIGHT_MAX: usize = 16;
/// Most bytes of one group, so that it stays far below `MAX_MESSAGE`.
const GROUP_BYTES_MAX: usize = 1 << 20;
/// What a caller waits beyond the reply's own deadline.
const REPLY_SLACK: Duration = Duration::from_millis(250);
/// Events of one lane that may wait to be grouped.
const QUEUED_MAX: usize = 4096;

/// How groups are made.
#[derive(Debug, Clone)]
pub struct GroupSettings {
    /// How long a group waits for company at most while others are in flight.
    pub linger: Duration,
    /// Most events of one group.
    pub events_max: usize,
    /// Most bytes of one message.
    pub message_bytes_max: usize,
    /// How long a caller waits for the confirm.
    pub publish_timeout: Duration,
    /// How long a caller waits for the reply.
    pub reply_timeout: Duration,
}

/// A reply's part for one event (contract 1, "Replies").
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Reply {
    id: String,
    /// `created`, `pending`, `duplicate`, `conflict`, `self_referral`, `accepted`, `invalid`.
    pub outcome: String,
    /// Payments: a decimal string.
    pub acquired_credit: Option<String>,
    /// Invalid ones: the stable code.
    pub reason: Option<String>,
    /// Invalid ones: the sentence.
    pub detail: Option<String>,
}

/// What a caller learns: published, and what was replied in time.
type Answer = Result<Option<Reply>, PublishError>;

/// An event on its way into a group.
struct Waiting {
    id: String,
    json: String,
    answer: oneshot::Sender<Answer>,
}

/// The lanes of the ingress.
#[derive(Clone)]
pub struct Groups {
    click: Lane,
    signup: Lane,
    signup_unanswered: Lane,
    payment: Lane,
    payment_unanswered: Lane,
}

#[derive(Clone)]
struct Lane {
    queue: mpsc::Sender<Waiting>,
    timeout: Duration,
}

impl Groups {
    /// Starts the lanes; they end when every handle is dropped.
    pub fn start(publisher: &Publisher, settings: &GroupSettings, metrics: &Arc<Metrics>) -> Self {
        let lane = |event_type, reply| {
            let (publisher, metrics) = (publisher.clone(), metrics.clone());
            let send = move |group| send(publisher.clone(), event_type, reply, group);
            let (queue, waiting) = mpsc::channel(QUEUED_MAX);
            tokio::spawn(run(waiting, settings.clone(), metrics, send));
            Lane { queue, timeout: patience(settings, reply) }
        };
        let reply = Some(settings.reply_timeout);
        Self {
            click: lane(EventType::Click, None),
            signup: lane(EventType::Signup, reply),
            signup_unanswered: lane(EventType::Signup, None),
            payment: lane(EventType::Payment, reply),
            payment_unanswered: lane(EventType::Payment, None),
        }
    }

    /// Publishes an event whose outcome nobody waits for; `Ok` only on the broker's confirm.
    pub async fn publish(&self, draft: &Draft) -> Result<(), PublishError> {
        let (draft, mut span) = traced(draft);
        let sent = self.publish_json(draft.event_type, &draft.id, draft.to_json()).await;
        span.note(&sent);
        sent
    }

    /// The same for a click, of which there are many: without a deadline, for callers that have one of
    /// their own.
    pub async fn click(&self, draft: &Draft) -> Result<(), PublishError> {
        self.click.pass(&draft.id, draft.to_json()).await.map(|_| ())
    }

    /// When [`click`](Self::click) may be given up at the latest.
    pub const fn click_patience(&self) -> Duration {
        self.click.timeout
    }

    /// The same with an event that was written before, in the JSON format.
    pub async fn publish_json(
        &self,
        event_type: EventType,
        id: &str,
        json: String,
    ) -> Result<(), PublishError> {
        let lane = match event_type {
            EventType::Click => &self.click,
            EventType::Signup => &self.signup_unanswered,
            EventType::Payment => &self.payment_unanswered,
        };
        lane.pass_in_time(id, json).await.map(|_| ())
    }

    /// Publishes a signup or payment and waits for the credits worker; `Ok(None)`: confirmed, but
    /// no reply in time.
    pub async fn request(&self, draft: &Draft) -> Answer {
        let lane = match draft.event_type {
            EventType::Payment => &self.payment,
            EventType::Signup => &self.signup,
            EventType::Click => &self.click,
        };
        let (draft, mut span) = traced(draft);
        let answer = lane.pass_in_time(&draft.id, draft.to_json()).await;
        span.note(&answer);
        answer
    }
}

/// How long a caller waits in all: for the confirm or, where that is longer, for the reply, which
/// has to come first: what is confirmed must not be answered as if it were not.
fn patience(settings: &GroupSettings, reply: Option<Duration>) -> Duration {
    let reply = reply.map(|wait| wait + settings.linger + REPLY_SLACK);
    settings.publish_timeout.max(reply.unwrap_or_default())
}

impl Lane {
    async fn pass(&self, id: &str, json: String) -> Answer {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { id: id.to_owned(), json, answer };
        let ended = || PublishError::Unavailable("the ingress is stopping".to_owned());
        self.queue.send(waiting).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }

    async fn pass_in_time(&self, id: &str, json: String) -> Answer {
        let passed = timeout(self.timeout, self.pass(id, json)).await;
        passed.unwrap_or(Err(PublishError::TimedOut))
    }
}

/// Events that leave as one message; at least one.
struct Group {
    events: Vec<Waiting>,
    bytes: usize,
}

impl Group {
    fn new(first: Waiting) -> Self {
        Self { bytes: first.json.len(), events: vec![first] }
    }

    /// Takes the event in, or gives it back when the group is full.
    fn push(&mut self, next: Waiting, settings: &GroupSettings) -> Option<Waiting> {
        let bytes = self.bytes + next.json.len() + 2;
        let bytes_max = settings.message_bytes_max.min(GROUP_BYTES_MAX);
        if self.events.len() >= settings.events_max || bytes > bytes_max {
            return Some(next);
        }
        self.bytes = bytes;
        self.events.push(next);
        None
    }
}

/// What of a lane is in flight.
#[derive(Default)]
struct InFlight {
    sends: JoinSet<(usize, bool)>,
    events: usize,
}

impl InFlight {
    fn spawn<F>(&mut self, events: usize, send: F)
    where
        F: Future<Output = (usize, bool)> + Send + 'static,
    {
        self.events += events;
        self.sends.spawn(send);
    }

    /// Takes note of a send that has ended; of a broken one nobody knows how many events it had.
    fn landed(&mut self, done: Option<(usize, bool)>, metrics: &Metrics) {
        if let Some((events, confirmed)) = done {
            self.events -= events;
            let result = if confirmed { "confirmed" } else { "failed" };
            metrics.published.get_or_create(&ResultLabel { result }).inc_by(events as u64);
        }
        if self.sends.is_empty() {
            self.events = 0;
        }
    }
}

/// Whether a group of so many events leaves now, beside `groups` others that have `others` events.
const fn leaves(events: usize, groups: usize, others: usize, waited: bool) -> bool {
    match groups {
        0 => true,
        1..=EAGER_MAX => waited || events * EAGER_PART >= others,
        _ => waited && groups < IN_FLIGHT_MAX,
    }
}

/// A lane's task: groups what comes and hands each group to `send`.
async fn run<S, F>(
    mut queue: mpsc::Receiver<Waiting>,
    settings: GroupSettings,
    metrics: Arc<Metrics>,
    send: S,
) where
    S: Fn(Group) -> F,
    F: Future<Output = (usize, bool)> + Send + 'static,
{
    let mut in_flight = InFlight::default();
    let mut held = None;
    loop {
        while let Some(done) = in_flight.sends.try_join_next() {
            in_flight.landed(done.ok(), &metrics);
        }
        let Some(first) = next(&mut held, &mut queue).await else { break };
        let mut group = Group::new(first);
        let linger = tokio::time::sleep_until(Instant::now() + settings.linger);
        let mut linger = std::pin::pin!(linger);
        let mut lingered = false;
        // Requests that are being handled now get in.
        tokio::task::yield_now().await;
        loop {
            while held.is_none() {
                let Ok(waiting) = queue.try_recv() else { break };
                held = group.push(waiting, &settings);
            }
            let is_full = held.is_some() || group.events.len() >= settings.events_max;
            let (events, groups) = (group.events.len(), in_flight.sends.len());
            if leaves(events, groups, in_flight.events, is_full || lingered) {
                break;
            }
            tokio::select! {
                Some(waiting) = queue.recv(), if !is_full => held = group.push(waiting, &settings),
                Some(done) = in_flight.sends.join_next() => in_flight.landed(done.ok(), &metrics),
                () = &mut linger, if !lingered => lingered = true,
            }
        }
        group.events.retain(|waiting| !waiting.answer.is_closed());
        if !group.events.is_empty() {
            in_flight.spawn(group.events.len(), send(group));
        }
    }
    while let Some(done) = in_flight.sends.join_next().await {
        in_flight.landed(done.ok(), &metrics);
    }
}

async fn next(held: &mut Option<Waiting>, queue: &mut mpsc::Receiver<Waiting>) -> Option<Waiting> {
    match held.take() {
        Some(waiting) => Some(waiting),
        None => queue.recv().await,
    }
}

/// Publishes one group and tells each of its callers; how many there were, and whether confirmed.
async fn send(
    publisher: Publisher,
    event_type: EventType,
    reply: Option<Duration>,
    group: Group,
) -> (usize, bool) {
    let texts: Vec<&str> = group.events.iter().map(|waiting| waiting.json.as_str()).collect();
    // A group's name says nothing but which message this is; events have their own.
    let message_id = group.events.first().map_or_else(String::new, |first| first.id.clone());
    let message = compose::message(event_type, &message_id, &texts);
    let sent = match reply {
        None => publisher.publish(message).await.map(|()| None),
        Some(wait) => publisher.request(message, wait).await,
    };
    let told = sent.map(|body| body.map(|body| by_id(&body)).unwrap_or_default());
    let (events, confirmed) = (group.events.len(), told.is_ok());
    for Waiting { id, answer, .. } in group.events {
        let of_event = match &told {
            Ok(replies) => Ok(replies.get(&id).cloned()),
            Err(error) => Err(error.clone()),
        };
        // Nobody listens when the caller went away.
        let _ = answer.send(of_event);
    }
    (events, confirmed)
}

/// A reply's parts by event id. What cannot be read is as good as no reply: the event is confirmed.
fn by_id(body: &[u8]) -> HashMap<String, Reply> {
    match serde_json::from_slice::<Vec<Reply>>(body) {
        Ok(replies) => replies.into_iter().map(|reply| (reply.id.clone(), reply)).collect(),
        Err(error) => {
            tracing::error!(%error, "a reply of the credits worker cannot be read");
            HashMap::new()
        }
    }
}

#[cfg(test)]
#[path = "group_tests.rs"]
mod tests;
